package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "homehub.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheDefaultFileIsTheDefaults(t *testing.T) {
	var b bytes.Buffer
	printDefault(&b)
	cfg, err := loadConfig(writeConfig(t, b.String()))
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	printDefault(&again)
	want := defaults()
	if cfg.Web.Listen != want.Web.Listen || cfg.Data != want.Data || !reflect.DeepEqual(cfg.Meter, want.Meter) || cfg.House != want.House || cfg.Log != want.Log {
		t.Errorf("read back %+v, want %+v", cfg, want)
	}
	for _, line := range strings.Split(b.String(), "\n") {
		if strings.HasSuffix(line, "# ") {
			t.Errorf("a key without a word on what it is for: %q", line)
		}
	}
}

func TestConfigErrorsNameFileLineAndKey(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"unknown key", "[web]\n\nlisten = \":80\"\nlisden = \":81\"\n", ":4: web.lisden: is not a known key"},
		{"unknown table", "[wep]\nlisten = \":80\"\n", ":1: wep: is not a known key"},
		{"wrong type", "[web]\nread_open = \"yes\"\n", ":2: web.read_open: "},
		{"syntax", "[web\nlisten = 1\n", ":2: syntax: expected"},
		{"bad address", "[mqtt]\nlisten = \"here\"\n", ":2: mqtt.listen: \"here\" is not an address with a port"},
		{"bad kind", "[meter]\nkind = \"crystal ball\"\n", ":2: meter.kind: "},
		{"bad zone", "[house]\nzone = \"Europe/Atlantis\"\n", ":2: house.zone: \"Europe/Atlantis\" is not a time zone"},
		{"bad duration", "[data]\ninterval = \"ten\"\n", ":2: data.interval"},
		{"interval too long", "[data]\n# a comment\ninterval = \"2h\"\n", ":3: data.interval: must be whole seconds"},
		{"folder is a file", "[data]\ndir = \"/dev/null\"\n", ":2: data.dir: /dev/null is a file"},
		{"folder below a file", "[data]\ndir = \"/dev/null/x\"\n", ":2: data.dir: "},
		{"relative folder", "[data]\ndir = \"data\"\n", ":2: data.dir: \"data\" must be an absolute path"},
		{"bad key", "[meter]\nkey = \"zz\"\n", ":2: meter.key: must be 32 hexadecimal digits"},
		{"mqtt meter without topics", "[meter]\nkind = \"mqtt\"\n", ":1: meter.topics: must name"},
		{"mqtt meter with an unknown value", "[meter]\nkind = \"mqtt\"\n[meter.topics]\nwarp = \"x\"\n", ":4: meter.topics.warp: "},
		{"level", "[log]\nlevel = \"LOUD\"\n", ":2: log.level"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := writeConfig(t, test.text)
			_, err := loadConfig(path)
			if err == nil || !strings.Contains(err.Error(), path+test.want) {
				t.Errorf("got  %v\nwant %s%s", err, path, test.want)
			}
		})
	}
}

func TestSeveralFaultsAreAllNamed(t *testing.T) {
	_, err := loadConfig(writeConfig(t, "[meter]\nkind = \"x\"\n[house]\nzone = \"y\"\nimport_limit_w = 3\n"))
	for _, key := range []string{"meter.kind", "house.zone", "house.import_limit_w"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is missing in: %v", key, err)
		}
	}
}

func TestCommandLine(t *testing.T) {
	good := writeConfig(t, "")
	tests := []struct {
		name   string
		args   []string
		in     string
		code   int
		out    string
		errOut string
	}{
		{"help", []string{"--help"}, "", exitOK, "homehub demo", ""},
		{"version", []string{"version"}, "", exitOK, "homehub ", ""},
		{"unknown command", []string{"frobnicate"}, "", exitUsage, "", "unknown command"},
		{"unknown flag", []string{"serve", "--nope"}, "", exitUsage, "", "--nope"},
		{"good config", []string{"check-config", good}, "", exitOK, "is fine", ""},
		{"missing config", []string{"check-config", good + ".nope"}, "", exitFailure, "", "no such file"},
		{"no config named", []string{"check-config"}, "", exitUsage, "", "needs a file"},
		{"default config", []string{"check-config", "--print-default"}, "", exitOK, "[meter]", ""},
		{"serve with a missing file", []string{"serve", "--config", good + ".nope"}, "", exitFailure, "", "no such file"},
		{"demo too fast", []string{"demo", "--speed", "100000"}, "", exitUsage, "", "--speed"},
		{"demo with a bad history", []string{"demo", "--history", "soon"}, "", exitUsage, "", "history"},
		{"meter without a target", []string{"sim", "meter"}, "", exitUsage, "", "--stdout or --pty"},
		{"nothing to decode", []string{"dsmr", "decode"}, "noise", exitFailure, "", "no telegram was accepted"},
		{"bad key", []string{"dsmr", "decode", "--key", "xyz"}, "", exitUsage, "", "--key"},
		{"plan without a file", []string{"plan"}, "", exitUsage, "", "plan needs one file"},
		{"plan of nonsense", []string{"plan", "-"}, "{}", exitUsage, "", "format"},
		{"completion", []string{"completion", "bash"}, "", exitOK, "__start_homehub", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			code := execute(context.Background(), test.args, strings.NewReader(test.in), &out, &errOut)
			if code != test.code {
				t.Errorf("exit code %d, want %d (stderr: %s)", code, test.code, errOut.String())
			}
			if !strings.Contains(out.String(), test.out) {
				t.Errorf("stdout %q lacks %q", out.String(), test.out)
			}
			if !strings.Contains(errOut.String(), test.errOut) {
				t.Errorf("stderr %q lacks %q", errOut.String(), test.errOut)
			}
			if test.code != exitOK && strings.Count(errOut.String(), "\n") > 1 {
				t.Errorf("more than one line on stderr:\n%s", errOut.String())
			}
		})
	}
}
