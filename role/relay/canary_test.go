package relay_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/internal/leak"
	"github.com/crescendo-network/crescendo/role/vault"
	"github.com/crescendo-network/crescendo/sealing/container"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
)

// What is searched for must not stand in the searched process because of the
// search. So a client of its own process makes the secret prompt, and a scanner
// of its own process decrypts the weights and looks; secrets pass through the
// searched process masked.
const childEnv = "CRESCENDO_TEST_CHILD"

func mask(b []byte) []byte {
	out := bytes.Clone(b)
	for i := range out {
		out[i] ^= 0xA5
	}
	return out
}

// askOrder tells the client process what to ask.
type askOrder struct {
	Relay   string
	Binding prompt.Binding
	SealKey []byte
	Session uint64
	Key     []byte
}

// scanOrder tells the scanner process what to look for and where.
type scanOrder struct {
	PIDs       []int
	Dirs       []string
	Masked     map[string][]byte // needles by name
	Weights    int               // parameters; zero: do not look for weights
	Container  string            // file
	Checkpoint string            // file with the public weights, float32
	KeeperKey  string            // file
	Keeper     crescendo.Account
	Share      []byte
	Topic      keyshare.Topic
	Header     container.Header
}

// runChild is called by TestMain in child processes.
func runChild(kind string) error {
	in := bufio.NewReader(os.Stdin)
	var out any
	var err error
	switch kind {
	case "ask":
		var o askOrder
		if err = json.NewDecoder(in).Decode(&o); err == nil {
			out, err = askSecretly(o)
		}
	case "scan":
		var o scanOrder
		if err = json.NewDecoder(in).Decode(&o); err == nil {
			out, err = scan(o)
		}
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func child(t *testing.T, kind string, order, result any) {
	t.Helper()
	raw, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+kind)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(raw), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", kind, err, out)
	}
	if err := json.Unmarshal(out, result); err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
}

func askSecretly(o askOrder) (masked []byte, err error) {
	var random [12]byte
	rand.Read(random[:])
	secret := "canary " + hex.EncodeToString(random[:])
	r := prompt.Request{Session: o.Session, Counter: 1, Messages: []prompt.Message{{Role: "user", Content: secret}}, MaxTokens: 8}
	r.Sign(o.Binding, ed25519.PrivateKey(o.Key))
	envelope, opener, err := prompt.Seal(o.Binding, o.SealKey, r)
	if err != nil {
		return nil, err
	}
	resp, err := http.Post(o.Relay+"/v1/sealed", prompt.ContentType, bytes.NewReader(envelope))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	err = opener.Read(resp.Body, func(e prompt.Event) error {
		if e.Failure.Code != "" {
			return errors.New(e.Failure.Text)
		}
		return nil
	})
	return mask([]byte(secret)), err
}

// scan returns, for each needle, where it was found.
func scan(o scanOrder) (leak.Found, error) {
	needles := map[string][]byte{}
	for name, masked := range o.Masked {
		needles[name] = mask(masked)
	}
	if o.Weights > 0 {
		if err := addWeights(o, needles); err != nil {
			return nil, err
		}
	}
	search, err := leak.NewSearch(needles)
	if err != nil {
		return nil, err
	}
	for _, pid := range o.PIDs {
		if _, err := search.Process(fmt.Sprint(pid), pid); err != nil {
			return nil, err
		}
	}
	for _, dir := range o.Dirs {
		if err := search.Files(dir); err != nil {
			return nil, err
		}
	}
	return search.Found, nil
}

// addWeights decrypts the sealed weights and takes windows of them where they
// differ from the public checkpoint.
func addWeights(o scanOrder, needles map[string][]byte) error {
	raw, err := os.ReadFile(o.KeeperKey)
	if err != nil {
		return err
	}
	id, err := keyshare.ParseIdentity(raw)
	if err != nil {
		return err
	}
	key, err := keyshare.Open(id, o.Topic, o.Keeper, o.Share)
	if err != nil {
		return err
	}
	f, err := os.Open(o.Container)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	sealed, public := make([]float32, o.Weights), make([]float32, o.Weights)
	if err := vault.ReadWeights(f, info.Size(), key, o.Header, sealed); err != nil {
		return err
	}
	data, err := os.ReadFile(o.Checkpoint)
	if err != nil {
		return err
	}
	if _, err := binary.Decode(data, binary.LittleEndian, public); err != nil {
		return err
	}
	windows, err := leak.Windows(sealed, public, 12)
	maps.Copy(needles, windows)
	return err
}

// Neither sealed weights nor a prompt stand anywhere outside the vault (and
// the client): not in the memory of the process that runs relay, keeper and
// ledger, not in any file or log.
func TestSecretsStayInTheVault(t *testing.T) {
	unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0) // the scanner is a child
	w, r, _ := serving(t, nil)
	a := w.attacker(r)
	var maskedPrompt []byte
	child(t, "ask", askOrder{Relay: a.relay, Binding: a.binding, SealKey: a.sealKey, Session: a.session, Key: a.key}, &maskedPrompt)
	w.until("the request is settled", 10*time.Second, func() bool { return w.session(a.session).Requests == 1 })

	planted := make([]byte, 24) // the positive control
	rand.Read(planted)
	seal := w.seal()
	raw, err := w.blobs.Get(t.Context(), seal.Container, 1<<30)
	w.must(err)
	sealed, public := filepath.Join(w.dir, "container"), filepath.Join(t.TempDir(), "public")
	w.must(os.WriteFile(sealed, raw, 0o600))
	data, err := binary.Append(nil, binary.LittleEndian, w.checkpoint)
	w.must(err)
	w.must(os.WriteFile(public, data, 0o600))
	w.must(os.WriteFile(filepath.Join(w.dir, "planted"), planted, 0o600))
	w.must(os.WriteFile(filepath.Join(w.dir, "logs"), []byte(w.logs.String()), 0o600))
	order := scanOrder{
		PIDs: []int{os.Getpid(), r.status().VaultPID}, Dirs: []string{w.dir},
		Masked:  map[string][]byte{"prompt": maskedPrompt, "planted": mask(planted)},
		Weights: len(w.checkpoint), Container: sealed, Checkpoint: public,
		KeeperKey: filepath.Join(w.dir, "keeper", "keeper.key"), Keeper: w.keeper.Account(), Share: seal.Shares[0].Sealed,
		Topic:  keyshare.Topic{Chain: chainID, Rung: 1, Version: 1, KeyCheck: seal.KeyCheck},
		Header: container.Header{Chain: chainID, Rung: 1, Seal: 1, Base: seal.Base},
	}
	var found leak.Found
	child(t, "scan", order, &found)
	runtime.KeepAlive(planted)

	self, inVault := fmt.Sprint(os.Getpid()), fmt.Sprint(r.status().VaultPID)
	if places := strings.Join(found["planted"], " "); !strings.Contains(places, self) || !strings.Contains(places, "planted") {
		t.Fatalf("the scanner misses what was planted: %q", places)
	}
	weights := 0
	for name, places := range found {
		if name == "planted" {
			continue
		}
		for _, place := range places {
			if place != inVault {
				t.Errorf("%s found in %s", name, place)
			}
		}
		if strings.HasPrefix(name, "weights f32") && len(places) == 1 && places[0] == inVault {
			weights++
		}
	}
	// The vault's memory can be read here only because its enclave is a
	// simulated one: that the scanner finds the weights in it proves that it
	// would find them elsewhere.
	if weights < 4 {
		t.Errorf("the scanner finds %d windows of the weights in the vault itself", weights)
	}
}
