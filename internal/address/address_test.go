package address

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
)

func TestBech32Vectors(t *testing.T) {
	// BIP-173's valid strings that are lower case and within 90 characters.
	for _, text := range []string{
		"a12uel5l",
		"an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
		"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
		"split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
		"?1ezyfcl",
	} {
		hrp, data, err := Decode(text)
		if err != nil && strings.Contains(err.Error(), "padding") {
			continue // a valid bech32 string that does not hold whole bytes
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if again := Encode(hrp, data); again != text {
			t.Errorf("%s encodes again as %s", text, again)
		}
	}
	for _, text := range []string{
		"", "1", "pzry9x0s0muk", "1pzry9x0s0muk", "x1b4n0q5v", "li1dgmt3", "A1G7SGD8", "10a06t8", "1qzzfhee",
		"de1lg7wt\xff", "\x201nwldj5", "a12uel5m", "an84characterslonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1569pvx",
	} {
		if _, _, err := Decode(text); err == nil {
			t.Errorf("%q was decoded", text)
		}
	}
}

func TestFromPublicKeyGolden(t *testing.T) {
	// BIP-173's example key, 751e76e8... is the hash of this public key.
	pub, _ := hex.DecodeString("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
	account := FromPublicKey(pub)
	_, data, err := Decode(string(account))
	if err != nil || hex.EncodeToString(data) != "751e76e8199196d454941c45d1b3a323f1433bd6" {
		t.Errorf("%x, %v", data, err)
	}
	if want := crescendo.Account("cresc1w508d6qejxtdg4y5r3zarvary0c5xw7kynwnd2"); account != want {
		t.Errorf("got %s, want %s", account, want)
	}
	if got, want := Pot("@funding/1"), crescendo.Account("cresc1sgklf63jhkxc3fhsfqsdrcg9c6gtuchtl9fg4d"); got != want {
		t.Errorf("pot: got %s, want %s", got, want)
	}
}

func TestValidate(t *testing.T) {
	good := Pot("@treasury")
	if err := Validate(good); err != nil {
		t.Error(err)
	}
	for _, bad := range []crescendo.Account{
		"", "@treasury", "alice", good + "q", "x" + good, crescendo.Account(strings.ToUpper(string(good))),
		crescendo.Account(Encode("cosmos", make([]byte, 20))), crescendo.Account(Encode(Prefix, make([]byte, 32))),
		good[:10] + "b" + good[11:],
	} {
		if Validate(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestCheckSender(t *testing.T) {
	if err := CheckSender(Pot("@treasury")); err != nil {
		t.Error(err)
	}
	for bad, code := range map[crescendo.Account]crescendo.Code{
		"":           crescendo.CodeInvalid,
		"@funding/1": crescendo.CodeForbidden,
		"a\x00b":     crescendo.CodeInvalid,
		crescendo.Account(strings.Repeat("a", 91)): crescendo.CodeInvalid,
	} {
		if err := CheckSender(bad); err == nil || crescendo.CodeOf(err) != code {
			t.Errorf("%.20q: %v, want %s", bad, err, code)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(string(Pot("@treasury")))
	f.Add("a12uel5l")
	f.Fuzz(func(t *testing.T, text string) {
		hrp, data, err := Decode(text)
		if err == nil && Encode(hrp, data) != text {
			t.Errorf("%q decodes to %q %x, which encodes as %q", text, hrp, data, Encode(hrp, data))
		}
	})
}

func FuzzEncode(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 45 {
			return
		}
		hrp, got, err := Decode(Encode(Prefix, data))
		if err != nil || hrp != Prefix || !bytes.Equal(got, data) {
			t.Errorf("%x: %q %x %v", data, hrp, got, err)
		}
	})
}
