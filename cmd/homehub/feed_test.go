package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homehub/tsdb"
)

// homehub runs a command in this process.
func homehub(t *testing.T, in string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = execute(context.Background(), args, strings.NewReader(in), &o, &e)
	return code, o.String(), e.String()
}

func TestPHPFinaComesOutAsItWentIn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	odd := []uint32{0x7fc00000, 0x7fc12345, 0xffc00001, 0x80000000, math.Float32bits(0.1), math.Float32bits(1e30), 0, math.Float32bits(-3.7)}
	for name, start := range map[string]uint32{"aligned": 1_000_000, "unaligned": 1_000_025} {
		t.Run(name, func(t *testing.T) {
			dir, data := t.TempDir(), t.TempDir()
			meta := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(make([]byte, 8), 10), start)
			var dat []byte
			for i := range 5000 {
				bits := math.Float32bits(float32(rng.IntN(3000)))
				if i%7 == 0 {
					bits = odd[rng.IntN(len(odd))]
				}
				dat = binary.LittleEndian.AppendUint32(dat, bits)
			}
			stray := append(bytes.Clone(dat), 1, 2)
			in := filepath.Join(dir, "12")
			for ext, b := range map[string][]byte{".meta": meta, ".dat": stray} {
				if err := os.WriteFile(in+ext, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, _, errOut := homehub(t, "", "feed", "--data", data, "import-phpfina", "old_w", in+".meta", in+".dat")
			if code != exitOK || !strings.Contains(errOut, "2 stray bytes") {
				t.Fatalf("import: %d %s", code, errOut)
			}
			back := filepath.Join(dir, "back")
			if code, _, errOut := homehub(t, "", "feed", "--data", data, "export-phpfina", "old_w", back); code != exitOK {
				t.Fatalf("export: %d %s", code, errOut)
			}
			for ext, want := range map[string][]byte{".meta": meta, ".dat": dat} {
				got, err := os.ReadFile(back + ext)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s differs (%v)", ext, err)
				}
			}
		})
	}
}

// What is no file of points is named, and no empty feed is left of it.
func TestImportOfSomethingElse(t *testing.T) {
	for text, why := range map[string]string{
		"root:x:0:0\ndaemon:x:1:1\n":   `line 2: "daemon:x:1:1" is no time`,
		"time,value\n1700000000,ten\n": `line 2: "ten" is no number`,
		"time,value\n":                 "",
	} {
		data := t.TempDir()
		code, _, errOut := homehub(t, text, "feed", "--data", data, "import", "x", "-")
		if (code == exitOK) != (why == "") || !strings.Contains(errOut, why) {
			t.Errorf("%q: %d %s", text, code, errOut)
		}
		if _, out, _ := homehub(t, "", "feed", "--data", data, "list", "--json"); out != "[]\n" {
			t.Errorf("%q left %s", text, out)
		}
	}
}

func TestTextInAndOut(t *testing.T) {
	data := t.TempDir()
	csv := "time,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:10Z,2.5\n2026-01-01T00:00:30Z,4\n"
	if code, out, errOut := homehub(t, csv, "feed", "--data", data, "import", "x", "-", "--decimals", "1", "--unit", "W"); code != exitOK || !strings.HasPrefix(out, "3 points") {
		t.Fatalf("%d %s %s", code, out, errOut)
	}
	if code, out, _ := homehub(t, csv+"2026-01-01T00:00:40Z,5\n", "feed", "--data", data, "import", "x", "-", "--resume"); code != exitOK || !strings.HasPrefix(out, "1 points") {
		t.Errorf("resumed: %d %s", code, out)
	}
	code, out, _ := homehub(t, "", "feed", "--data", data, "export", "x", "-")
	if code != exitOK || !strings.Contains(out, "2026-01-01T00:00:10Z,2.5") || !strings.Contains(out, "2026-01-01T00:00:40Z,5") {
		t.Errorf("exported: %d\n%s", code, out)
	}
	for _, test := range []struct {
		name string
		args []string
		code int
		out  string
	}{
		{"list", []string{"list"}, exitOK, "x"},
		{"list as JSON", []string{"list", "--json"}, exitOK, `"interval_s": 10`},
		{"info", []string{"info", "x"}, exitOK, "points    4"},
		{"info of nothing", []string{"info", "y"}, exitFailure, "there is no feed"},
		{"check", []string{"check"}, exitOK, "0 damaged"},
		{"repair", []string{"repair"}, exitOK, "0 damaged"},
		{"bad time", []string{"trim", "x", "--before", "soon"}, exitUsage, "--before"},
		{"trim", []string{"trim", "x", "--before", "2026-01-01T00:00:30Z"}, exitOK, ""},
		{"delete", []string{"delete", "x"}, exitOK, ""},
		{"export of nothing", []string{"export", "x", "-"}, exitFailure, "no such feed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, out, errOut := homehub(t, "", append([]string{"feed", "--data", data}, test.args...)...)
			if code != test.code || !strings.Contains(out+errOut, test.out) {
				t.Errorf("exit code %d, want %d, with %q:\n%s%s", code, test.code, test.out, out, errOut)
			}
		})
	}
	if code, _, errOut := homehub(t, "", "feed", "--data", data+"/nope", "list"); code != exitFailure || !strings.Contains(errOut, "no such file") {
		t.Errorf("a folder that is not there: %d %s", code, errOut)
	}
}

func TestAFolderThatCannotBeReadIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := homehub(t, "", "feed", "--data", file, "list"); code != exitFailure || !strings.Contains(errOut, "not a directory") {
		t.Errorf("%d %s", code, errOut)
	}
}

// TestReadingCommandsWorkBesideAHub has the folder open as a running hub has.
func TestReadingCommandsWorkBesideAHub(t *testing.T) {
	data := t.TempDir()
	db, err := tsdb.Open(tsdb.Config{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Create(tsdb.FeedConfig{Name: "import_w", Interval: 10 * time.Second, Unit: "W"}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now().Add(-8 * time.Hour).Truncate(10 * time.Second)
	for i := range 2500 {
		if err := db.Append("import_w", begin.Add(time.Duration(i)*10*time.Second), float64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Flush(begin); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(t.TempDir(), "12")
	for _, test := range []struct {
		name string
		args []string
		code int
		out  string
	}{
		{"list", []string{"list", "--json"}, exitOK, `"points": 2500`},
		{"info", []string{"info", "import_w"}, exitOK, "points    2500"},
		{"check", []string{"check"}, exitOK, "0 damaged"},
		{"export", []string{"export", "import_w", "-"}, exitOK, ",2499"},
		{"export as JSON", []string{"export", "import_w", base + ".csv", "--json"}, exitOK, `"points": 2500`},
		{"export-phpfina", []string{"export-phpfina", "import_w", base}, exitOK, "2500 points"},
		{"trim", []string{"trim", "import_w", "--before", "2020-01-01T00:00:00Z"}, exitFailure, fmt.Sprintf("is open in process %d", os.Getpid())},
		{"delete", []string{"delete", "import_w"}, exitFailure, "hub must be stopped"},
		{"repair", []string{"repair"}, exitFailure, "hub must be stopped"},
		{"import", []string{"import", "x", "-"}, exitFailure, "hub must be stopped"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, out, errOut := homehub(t, "", append([]string{"feed", "--data", data}, test.args...)...)
			if code != test.code || !strings.Contains(out+errOut, test.out) {
				t.Errorf("exit code %d, want %d, with %q:\n%s%s", code, test.code, test.out, out, errOut)
			}
		})
	}
	if err := errors.Join(db.Append("import_w", begin.Add(7*time.Hour), 1), db.Flush(begin)); err != nil {
		t.Errorf("the hub goes on: %v", err)
	}
}

func TestChangesSayWhatTheyDidAsJSON(t *testing.T) {
	data := t.TempDir()
	homehub(t, "2026-01-01T00:00:00Z,1\n2026-01-02T00:00:00Z,2\n", "feed", "--data", data, "import", "x", "-")
	for _, test := range [][2]string{
		{"trim x --before 2026-01-01T12:00:00Z", `"trimmed_before": "2026-01-01T12:00:00Z"`},
		{"delete x", `"deleted": true`},
	} {
		code, out, errOut := homehub(t, "", append([]string{"feed", "--json", "--data", data}, strings.Fields(test[0])...)...)
		if code != exitOK || !strings.Contains(out, test[1]) {
			t.Errorf("%s: %d %s %s", test[0], code, out, errOut)
		}
	}
}
