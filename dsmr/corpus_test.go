package dsmr_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"homehub/dsmr"
)

// corpusDir holds telegrams of real meters with values that were verified
// apart from this package. It is not part of the project.
const corpusDir = "../../shared/data/dsmr"

// sidecar is what is known of a file of the corpus.
type sidecar struct {
	Name, Kind, Expect, Zone, File string
	Header, CRC, Objects, Summary  any
	Expected                       []struct{ CRC, SHA256 string }
	Key                            string
	AuthKey                        string `json:"auth_key"`
	PlainSHA256                    string `json:"plaintext_sha256"`
	PlainFile                      string `json:"plaintext_file"`
	SameValuesAs                   string `json:"same_values_as"`
	bytes                          []byte
}

func loadCorpus(t testing.TB, kinds ...string) []sidecar {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(corpusDir, "*.json"))
	if len(names) == 0 {
		t.Skip("no corpus here")
	}
	var all []sidecar
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var s sidecar
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, kind := range kinds {
			if s.Kind == kind {
				s.bytes = readFile(t, filepath.Join(corpusDir, s.File))
				all = append(all, s)
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("no file of kind %v in the corpus", kinds)
	}
	return all
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s sidecar) config(t testing.TB) dsmr.Config {
	t.Helper()
	var cfg dsmr.Config
	var err error
	if s.Zone != "" {
		if cfg.Zone, err = time.LoadLocation(s.Zone); err != nil {
			t.Fatal(err)
		}
	}
	if cfg.Key, err = hex.DecodeString(s.Key); err != nil {
		t.Fatal(err)
	}
	if cfg.AuthKey, err = hex.DecodeString(s.AuthKey); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// decode runs b through a Reader that gets its bytes in chunks.
func decode(t testing.TB, b []byte, chunk int, cfg dsmr.Config) (raw []string, refused []dsmr.Refusal) {
	t.Helper()
	cfg.Refused = func(r dsmr.Refusal) { refused = append(refused, r) }
	r := dsmr.NewReader(&chunks{b: b, size: chunk}, cfg)
	for {
		telegram, err := r.Next()
		if errors.Is(err, io.EOF) {
			return raw, refused
		}
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, string(telegram.Raw()))
	}
}

// chunks is a reader that hands out size bytes at a time.
type chunks struct {
	b    []byte
	size int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.b[:min(c.size, len(c.b))])
	c.b = c.b[n:]
	return n, nil
}

func sum(b string) string {
	h := sha256.Sum256([]byte(b))
	return hex.EncodeToString(h[:])
}

func TestCorpusValues(t *testing.T) {
	accepted := 0
	for _, s := range loadCorpus(t, "telegram", "tolerance") {
		t.Run(s.Name, func(t *testing.T) {
			cfg := s.config(t)
			if s.Expect == "reject_crc" {
				if _, err := dsmr.Parse(s.bytes, cfg); err == nil || !strings.Contains(err.Error(), "checksum") {
					t.Fatalf("strict: got error %v, want one about the checksum", err)
				}
				cfg.Lenient = true // and then the values are right, and flagged
			}
			if s.Expect == "accept_only_if_lenient" {
				cfg.Lenient = true
			}
			telegram, err := dsmr.Parse(s.bytes, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := telegram.Checked(), s.Expect != "reject_crc"; got != want {
				t.Errorf("Checked() = %v, want %v", got, want)
			}
			accepted++
			if s.SameValuesAs != "" {
				same := loadSidecar(t, s.SameValuesAs)
				s.Header, s.CRC, s.Objects, s.Summary = same.Header, same.CRC, same.Objects, same.Summary
			}
			if s.Objects != nil {
				compareSidecar(t, telegram, s)
			}
		})
	}
	t.Logf("%d telegrams", accepted)
}

func loadSidecar(t testing.TB, name string) (s sidecar) {
	t.Helper()
	if err := json.Unmarshal(readFile(t, filepath.Join(corpusDir, name+".json")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func compareSidecar(t *testing.T, telegram *dsmr.Telegram, want sidecar) {
	t.Helper()
	text, err := dsmr.MarshalSidecar(telegram)
	if err != nil {
		t.Fatal(err)
	}
	var got sidecar
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		name      string
		got, want any
	}{
		{"header", got.Header, want.Header},
		{"crc", got.CRC, want.CRC},
		{"objects", got.Objects, want.Objects},
		{"summary", got.Summary, want.Summary},
	} {
		if part.want == nil {
			t.Errorf("the sidecar has no %s", part.name)
		}
		if diff := cmp.Diff(part.want, part.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", part.name, diff)
		}
	}
}

func TestCorpusRefusals(t *testing.T) {
	reasons := map[string]string{
		"reject_crc":         "checksum does not match",
		"reject_crc_missing": "checksum is missing",
		"no_telegram":        "input ends inside the telegram",
	}
	for _, s := range loadCorpus(t, "negative") {
		t.Run(s.Name, func(t *testing.T) {
			got, refused := decode(t, s.bytes, 64, dsmr.Config{})
			if len(got) != 0 {
				t.Fatalf("%d telegrams accepted", len(got))
			}
			want := []dsmr.Refusal{{Offset: 0, Reason: reasons[s.Expect]}}
			if diff := cmp.Diff(want, refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
	for _, s := range loadCorpus(t, "tolerance") {
		if s.Expect != "accept_only_if_lenient" {
			continue
		}
		if got, _ := decode(t, s.bytes, 64, dsmr.Config{}); len(got) != 0 {
			t.Errorf("%s: accepted in strict mode", s.Name)
		}
	}
}

func TestCorpusStreams(t *testing.T) {
	total := 0
	for _, s := range loadCorpus(t, "stream") {
		for _, size := range []int{1, 7, 64, 4096, 1 << 16} {
			got, _ := decode(t, s.bytes, size, s.config(t))
			var gotSums, wantSums []string
			for _, raw := range got {
				gotSums = append(gotSums, sum(raw + "\r\n")[:16])
			}
			for _, e := range s.Expected {
				wantSums = append(wantSums, e.SHA256)
			}
			if diff := cmp.Diff(wantSums, gotSums); diff != "" {
				t.Errorf("%s in chunks of %d (-want +got):\n%s", s.Name, size, diff)
			}
		}
		total += len(s.Expected)
	}
	t.Logf("%d telegrams", total)
}

func TestCorpusEncrypted(t *testing.T) {
	for _, s := range loadCorpus(t, "encrypted") {
		t.Run(s.Name, func(t *testing.T) {
			cfg := s.config(t)
			for _, size := range []int{1, 7, 64, 4096} {
				// Twice, to see that a frame ends where it should.
				got, refused := decode(t, append(bytes.Clone(s.bytes), s.bytes...), size, cfg)
				if len(got) != 2 || len(refused) != 0 {
					t.Fatalf("chunks of %d: %d telegrams, refused %v", size, len(got), refused)
				}
				if s.PlainFile != "" {
					want := strings.TrimSuffix(string(readFile(t, filepath.Join(corpusDir, s.PlainFile))), "\r\n")
					if got[0] != want || got[1] != want {
						t.Errorf("the content differs from %s", s.PlainFile)
					}
				}
				if sum(got[0]+"\r\n") != s.PlainSHA256 && sum(got[0]) != s.PlainSHA256 {
					t.Errorf("sha256 is %s, want %s", sum(got[0]+"\r\n"), s.PlainSHA256)
				}
			}
			bad := bytes.Clone(s.bytes)
			bad[len(bad)-1] ^= 1
			if got, refused := decode(t, bad, 64, cfg); len(got) != 0 || len(refused) == 0 || !strings.Contains(refused[0].Reason, "authentication tag") {
				t.Errorf("bad tag: %d telegrams, refused %v", len(got), refused)
			}
			wrong := cfg
			wrong.AuthKey = bytes.Repeat([]byte{7}, 16)
			if got, refused := decode(t, s.bytes, 64, wrong); len(got) != 0 || len(refused) == 0 {
				t.Errorf("wrong authentication key: %d telegrams, refused %v", len(got), refused)
			}
			wrong.NoTag = true
			wantLoose := 1
			if s.PlainFile == "" {
				wantLoose = 0 // its content has no checksum that could vouch for it
			}
			if got, _ := decode(t, s.bytes, 64, wrong); len(got) != wantLoose {
				t.Errorf("without tag: %d telegrams, want %d", len(got), wantLoose)
			}
			if got, refused := decode(t, s.bytes, 64, dsmr.Config{}); len(got) != 0 || len(refused) == 0 || !strings.Contains(refused[0].Reason, "no key") {
				t.Errorf("without key: %d telegrams, refused %v", len(got), refused)
			}
		})
	}
}

// TestCorpusDataWithEOF reads with a source that returns data and io.EOF at
// once, as the io.Reader contract allows.
func TestCorpusDataWithEOF(t *testing.T) {
	s := loadCorpus(t, "stream")[0]
	r := dsmr.NewReader(iotest.DataErrReader(bytes.NewReader(s.bytes)), dsmr.Config{})
	n := 0
	for {
		if _, err := r.Next(); err != nil {
			break
		}
		n++
	}
	if n != len(s.Expected) {
		t.Errorf("%d telegrams, want %d", n, len(s.Expected))
	}
}
