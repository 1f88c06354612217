// Package static holds what the hub sends to browsers as it is: style sheet,
// scripts, icon, and the vendored libraries with their licences. Every file
// is served under a name that contains the hash of its bytes, so that browsers
// may keep it for ever. The hub's pages load nothing from anywhere else.
package static

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed hub.css hub.js icon.svg vendor
var files embed.FS

// Prefix is where the files are served.
const Prefix = "/static/"

type asset struct {
	data []byte
	kind string
}

// urls maps file names to addresses, assets addresses to files.
var urls, assets = load()

func load() (map[string]string, map[string]asset) {
	urls, assets := map[string]string{}, map[string]asset{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		ext := path.Ext(name)
		address := Prefix + strings.TrimSuffix(name, ext) + "." + base64.RawURLEncoding.EncodeToString(sum[:6]) + ext
		kind := mime.TypeByExtension(ext)
		if kind == "" {
			kind = "text/plain; charset=utf-8"
		}
		urls[name], assets[address] = address, asset{data, kind}
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("read embedded files: %v", err)) // cannot happen: they are part of the program
	}
	return urls, assets
}

// URL returns the address of an embedded file.
func URL(name string) string { return urls[name] }

// Handler serves the files.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := assets[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", a.kind)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Write(a.data)
	})
}
