package archtest_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"homehub/internal/archtest"
)

func TestImports(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,CgoFiles", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []archtest.Package
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath        string
			Imports, CgoFiles []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.CgoFiles) > 0 {
			t.Errorf("%s uses cgo", p.ImportPath)
		}
		packages = append(packages, archtest.Package{Path: p.ImportPath, Imports: p.Imports})
	}
	if len(packages) < 5 {
		t.Fatalf("only %d packages seen", len(packages))
	}
	for _, line := range archtest.Check(packages) {
		t.Error(line)
	}
}

func TestTheRuleBites(t *testing.T) {
	tests := []struct {
		name, path, imports string
		broken              bool
	}{
		{"vocabulary from level 1", "homehub/mqtt", "homehub/hub", false},
		{"sibling on level 1", "homehub/mqtt", "homehub/store", true},
		{"tsdb knows no vocabulary", "homehub/tsdb", "homehub/hub", true},
		{"hub imports nothing of ours", "homehub/hub", "homehub/tsdb", true},
		{"somebody imports the composition", "homehub/webui", "homehub/cmd/homehub", true},
		{"foreign module at home", "homehub/store", "go.etcd.io/bbolt", false},
		{"foreign module elsewhere", "homehub/hub", "go.etcd.io/bbolt", true},
		{"standard library", "homehub/hub", "crypto/sha256", false},
		{"cgo", "homehub/dsmr", "C", true},
		{"new folder", "homehub/utils", "fmt", true},
		{"the composition", "homehub/cmd/homehub", "homehub/webui", false},
		{"simulator and encoder", "homehub/sim", "homehub/dsmr", false},
		{"simulator and broker", "homehub/sim", "homehub/mqtt", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := archtest.Check([]archtest.Package{{Path: test.path, Imports: []string{test.imports}}})
			if (len(got) > 0) != test.broken {
				t.Errorf("%s imports %s: %v", test.path, test.imports, got)
			}
		})
	}
}
