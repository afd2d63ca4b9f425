// Package archtest holds the rule of who may import whom. Its test reads the
// imports of every package and fails with the line that breaks the rule.
package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// Module is the path of this module.
const Module = "homehub"

// Package is what the rule needs to know of one package.
type Package struct {
	Path    string   // import path, e.g. homehub/tsdb
	Imports []string // of its code without tests
}

// rule says what one top-level folder may import beside the standard library.
type rule struct {
	own     []string // our packages
	foreign []string // modules of others
}

// rules is the picture of docs/ARCHITECTURE.md. cmd/homehub is not in it: it
// alone imports everything.
var rules = map[string]rule{
	// Level 0: nothing of ours.
	"hub":     {},
	"tsdb":    {foreign: []string{"golang.org/x/sys"}},
	"systemd": {},
	// Level 1: the vocabulary, and the one library they wrap.
	"dsmr":      {own: []string{"hub"}, foreign: []string{"go.bug.st/serial", "golang.org/x/sys"}},
	"mqtt":      {own: []string{"hub"}, foreign: []string{"github.com/mochi-mqtt/server/v2", "github.com/gorilla/websocket"}},
	"gpio":      {own: []string{"hub"}, foreign: []string{"periph.io/x/conn/v3", "periph.io/x/host/v3"}},
	"tariff":    {own: []string{"hub"}},
	"scheduler": {own: []string{"hub"}},
	"store":     {own: []string{"hub"}, foreign: []string{"go.etcd.io/bbolt"}},
	"pairing":   {own: []string{"hub"}},
	"notify":    {own: []string{"hub"}},
	"mdns":      {own: []string{"hub"}, foreign: []string{"golang.org/x/net", "golang.org/x/sys"}},
	"source":    {own: []string{"hub"}},
	"community": {own: []string{"hub"}},
	"authority": {},
	// Level 2.
	"webui": {own: []string{"hub"}, foreign: []string{"golang.org/x/crypto", "rsc.io/qr"}},
	"sim":   {own: []string{"hub", "dsmr"}, foreign: []string{"github.com/eclipse/paho.mqtt.golang", "golang.org/x/sync"}},
	// Not part of the hub.
	"internal": {},
}

// Check returns one sentence for every import that breaks the rule.
func Check(packages []Package) []string {
	var broken []string
	for _, p := range packages {
		folder := topFolder(p.Path)
		if folder == "cmd" {
			continue
		}
		r, ok := rules[folder]
		if !ok {
			broken = append(broken, fmt.Sprintf("%s: a new top-level folder needs a rule in internal/archtest and a reason in docs/adr", p.Path))
			continue
		}
		for _, imp := range p.Imports {
			if !r.allows(folder, imp) {
				broken = append(broken, fmt.Sprintf("%s may not import %s", p.Path, imp))
			}
		}
	}
	return broken
}

func (r rule) allows(folder, imp string) bool {
	if own, ok := strings.CutPrefix(imp, Module+"/"); ok {
		to := strings.SplitN(own, "/", 2)[0]
		return to == folder || slices.Contains(r.own, to)
	}
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return imp != "C" // the standard library has no dot; cgo is never allowed
	}
	return slices.ContainsFunc(r.foreign, func(m string) bool { return imp == m || strings.HasPrefix(imp, m+"/") })
}

func topFolder(path string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(path, Module), "/")
	folder, _, _ := strings.Cut(rest, "/")
	return folder
}
