package authority

import (
	"crypto/tls"
	"path/filepath"
	"testing"
)

// BenchmarkCertificate is what a connection costs beside its handshake: to look
// whether file, names and clock are as they were, or to issue another
// certificate because they are not.
func BenchmarkCertificate(b *testing.B) {
	names := [][]string{inTheHouse, inTheHouse[1:]}
	for name, every := range map[string]int{"same": 1, "another": 2} {
		b.Run(name, func(b *testing.B) {
			n := 0
			pages := Open(Config{
				Path:  filepath.Join(b.TempDir(), "authority.pem"),
				Names: func() []string { n++; return names[n%every] },
			}).Pages()
			for b.Loop() {
				if _, err := pages.GetCertificate(&tls.ClientHelloInfo{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
