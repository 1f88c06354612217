package blob_test

import (
	"testing"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/blob/blobtest"
)

func TestMemory(t *testing.T) {
	blobtest.Run(t, func(*testing.T) blobtest.Fixture {
		m := blob.NewMemory()
		return blobtest.Fixture{Store: m, Damage: m.Damage}
	})
}

// TestSum pins names to published BLAKE3 test vectors: input byte i is i mod
// 251.
func TestSum(t *testing.T) {
	input := make([]byte, 2048)
	for i := range input {
		input[i] = byte(i % 251)
	}
	for n, want := range map[int]string{
		0:    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		1:    "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
		1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
		2048: "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
	} {
		if got := blob.Sum(input[:n]).String(); got != want {
			t.Errorf("Sum of %d bytes = %s, want %s", n, got, want)
		}
	}
}
