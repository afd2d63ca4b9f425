package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBenchWritesAndQueries(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "work")
	code, out, errOut := homehub(t, "", "bench", "write", "--dir", dir, "--feeds", "21", "--span", "30h", "--window", "10m", "--json")
	var w writeReport
	if err := json.Unmarshal([]byte(out), &w); code != exitOK || err != nil {
		t.Fatalf("%d %v\n%s%s", code, err, out, errOut)
	}
	if w.Feeds != 21 || w.Points != 21*30*360 || w.Windows != 180 || w.Flushes < 180 || w.Flushes > 200 {
		t.Errorf("report is %+v", w)
	}
	if w.Bytes < w.Windows*512 || w.BytesPerDay > 0.4e6 || w.BytesPerPoint < 0.2 || w.BytesPerPoint > 0.5 || w.CPUSeconds <= 0 {
		t.Errorf("report is %+v", w)
	}
	if code, _, errOut := homehub(t, "", "bench", "write", "--dir", dir); code != exitUsage || !strings.Contains(errOut, "is not empty") {
		t.Errorf("a folder in use: %d %s", code, errOut)
	}
	code, out, errOut = homehub(t, "", "bench", "query", "--dir", dir, "--runs", "2", "--json")
	var q queryReport
	if err := json.Unmarshal([]byte(out), &q); code != exitOK || err != nil || len(q.Queries) != 7 {
		t.Fatalf("%d %v\n%s%s", code, err, out, errOut)
	}
	for _, one := range q.Queries {
		if one.Points < 2 || one.First.P50 <= 0 || one.Again.P99 < one.Again.P50 {
			t.Errorf("timing is %+v", one)
		}
	}
	if code, out, _ := homehub(t, "", "bench", "query", "--dir", dir, "--runs", "1"); code != exitOK || !strings.Contains(out, "1000 means") {
		t.Errorf("%d\n%s", code, out)
	}
}

func TestBenchRefusesNonsense(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"write", "write --dir " + full, "write --dir x --feeds 0", "write --dir x --interval 1500ms", "write --dir x --window 15s",
		"write --dir x --span 1s", "query", "query --dir x --runs 0",
	} {
		if code, _, errOut := homehub(t, "", append([]string{"bench"}, strings.Fields(args)...)...); code != exitUsage {
			t.Errorf("%s: %d %s", args, code, errOut)
		}
	}
	if code, _, errOut := homehub(t, "", "bench", "query", "--dir", t.TempDir()); code != exitFailure || !strings.Contains(errOut, "no power feed") {
		t.Errorf("an empty folder: %d %s", code, errOut)
	}
}

func TestDeviceStat(t *testing.T) {
	text := "  100 0 800 5   2881 0 2880 700 0 300 705 0 0 0 0 1440 60\n"
	d := parseDeviceStat("loop0", text)
	if d == nil || d.Writes != 2881 || d.Bytes != 2880*512 || d.Flushes != 1440 {
		t.Errorf("got %+v", d)
	}
	if d := parseDeviceStat("x", "1 2 3"); d != nil {
		t.Errorf("got %+v", d)
	}
}
