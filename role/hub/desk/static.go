package desk

import (
	"embed"
	"net/http"
	"path"
)

// The desk's own script and style sheet. There is nothing inline: the policy
// of the site forbids it.
//
//go:embed static/desk.js static/desk.css
var staticFiles embed.FS

const staticPrefix = "/desk/static/"

func serveStatic(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	data, err := staticFiles.ReadFile("static/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	kind := "text/css; charset=utf-8"
	if path.Ext(name) == ".js" {
		kind = "text/javascript; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache")
	w.Write(data)
}
