package dsmr_test

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	gotsmart "github.com/basvdlei/gotsmart/dsmr"

	"homehub/dsmr"
)

// TestAgainstGotsmart compares every plain register with gotsmart v0.0.3, a
// parser of another hand. What that version is known to get wrong is left out:
// objects with more than one bracket, and the clock, whose S and W it drops.
func TestAgainstGotsmart(t *testing.T) {
	var telegrams [][]byte
	own, _ := filepath.Glob("testdata/*.txt")
	corpus, _ := filepath.Glob(filepath.Join(corpusDir, "*.txt"))
	for _, name := range append(own, corpus...) {
		telegrams = append(telegrams, readFile(t, name))
	}
	rng := rand.New(rand.NewPCG(2, 2))
	for _, s := range dsmr.Standards() {
		for range 50 {
			telegrams = append(telegrams, dsmr.Encode(nil, dsmr.Encoding{Standard: s, Reading: anyReading(rng), EquipmentID: "E1", GasID: "G1"}))
		}
	}
	compared := 0
	for _, b := range telegrams {
		telegram, err := dsmr.Parse(b, dsmr.Config{})
		if err != nil || bytes.Contains(b, []byte("*255(")) {
			continue // gotsmart's parser checks nothing, and knows no group F
		}
		theirs, err := gotsmart.ParseFrame(string(b))
		if err != nil {
			t.Fatal(err)
		}
		compared += compareGotsmart(t, telegram, theirs)
	}
	if compared < 8_000 {
		t.Errorf("only %d values compared", compared)
	}
	t.Logf("%d telegrams, %d values", len(telegrams), compared)
}

func compareGotsmart(t *testing.T, telegram *dsmr.Telegram, theirs gotsmart.Frame) (compared int) {
	t.Helper()
	last := map[string]string{}
	for _, o := range telegram.Objects() {
		if o.Len() == 1 {
			last[o.Code.String()] = string(telegram.Group(o, 0))
		} else {
			delete(last, o.Code.String())
		}
	}
	if got := string(telegram.Header()); got != theirs.Header {
		t.Errorf("header %q, theirs %q", got, theirs.Header)
	}
	for code, ours := range last {
		value, unit, _ := strings.Cut(ours, "*")
		switch code {
		case "1-3:0.2.8":
			compareText(t, code, value, theirs.Version)
		case "0-0:96.1.1":
			compareText(t, code, value, theirs.EquipmentID)
		case "0-0:1.0.0":
			continue
		default:
			object, ok := theirs.Objects[code]
			if !ok {
				t.Errorf("%s is not among theirs", code)
			}
			compareText(t, code, value, object.Value)
			compareText(t, code, unit, object.Unit)
		}
		compared++
	}
	return compared
}

func compareText(t *testing.T, code, ours, theirs string) {
	t.Helper()
	if ours != theirs {
		t.Errorf("%s: %q, theirs %q", code, ours, theirs)
	}
}
