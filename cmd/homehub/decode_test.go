package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const corpus = "../../../shared/data/dsmr/"

// TestDecodeAgainstTheCorpus runs the command on every file of the corpus and
// holds its output against the file's sidecar.
func TestDecodeAgainstTheCorpus(t *testing.T) {
	sidecars, _ := filepath.Glob(corpus + "*.json")
	if len(sidecars) == 0 {
		t.Skip("the corpus is not here")
	}
	for _, path := range sidecars {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var side map[string]any
			if err := json.Unmarshal(raw, &side); err != nil {
				t.Fatal(err)
			}
			decodeOne(t, side, strings.TrimSuffix(path, ".json"))
		})
	}
}

func decodeOne(t *testing.T, side map[string]any, base string) {
	text := func(key string) string { s, _ := side[key].(string); return s }
	file := base + ".txt"
	if _, err := os.Stat(file); err != nil {
		file = base + ".bin"
	}
	args := []string{"dsmr", "decode"}
	if zone := text("zone"); zone != "" {
		args = append(args, "--zone", zone)
	}
	accept, lines := true, 1
	switch text("expect") {
	case "accept", "accept_after_masking_bit7":
	case "accept_only_if_lenient":
		args = append(args, "--lenient")
	case "accept_with_key":
		args = append(args, "--key", text("key"), "--auth-key", text("auth_key"))
	case "stream":
		lines = int(side["expected_count"].(float64))
	default:
		accept = false
	}
	code, out, errOut := homehub(t, "", append(args, file)...)
	if !accept {
		if code != exitFailure || out != "" || !strings.Contains(errOut, "refused at offset") {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, out, errOut)
		}
		return
	}
	if got := strings.Count(out, "\n"); code != exitOK || got != lines {
		t.Fatalf("exit code %d and %d telegrams, want 0 and %d: %s", code, got, lines, errOut)
	}
	if lines > 1 {
		return // the streams' content is held against their sidecars in dsmr
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"header", "crc", "objects", "summary"} {
		if want, ok := side[key]; ok && !reflect.DeepEqual(got[key], want) {
			t.Errorf("%s:\ngot  %v\nwant %v", key, got[key], want)
		}
	}
}

func TestDecodeRefusesAWrongKey(t *testing.T) {
	file := corpus + "enc-lu-smarty-82.bin"
	if _, err := os.Stat(file); err != nil {
		t.Skip("the corpus is not here")
	}
	code, out, errOut := homehub(t, "", "dsmr", "decode", "--key", strings.Repeat("0", 32), file)
	if code != exitFailure || out != "" || !strings.Contains(errOut, "wrong key") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out, errOut)
	}
}
