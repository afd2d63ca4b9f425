package mqtt

import (
	"strings"
	"testing"

	"homehub/hub"
)

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		grant, filter string
		want          bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a/b", false},
		{"dev/1", "dev/1/secret", false},
		{"a/b", "a", false},
		{"#", "a/b/c", true},
		{"#", "#", true},
		{"#", "+/+", true},
		{"a/#", "a", true},
		{"a/#", "a/#", true},
		{"a/#", "a/b/+", true},
		{"a/#", "ab", false},
		{"a/#", "#", false},
		{"a/#", "+/b", false},
		{"a/+", "a/b", true},
		{"a/+", "a/+", true},
		{"a/+", "a/#", false},
		{"a/+", "a/b/c", false},
		{"a/+", "a", false},
		{"a/+", "a/", true},
		{"+/b", "a/b", true},
		{"+/b", "+/b", true},
		{"a/b", "a/+", false},
		{"a/b", "+/b", false},
		{"a/+/c", "a/b/c", true},
		{"a/+/c", "a/b/#", false},
		{"a", "/a", false},
		{"/a", "/a", true},
		{"", "a", false},
	} {
		if got := covers(tt.grant, tt.filter); got != tt.want {
			t.Errorf("covers(%q, %q) = %v", tt.grant, tt.filter, got)
		}
	}
}

func TestGrantsMatrix(t *testing.T) {
	plug := []hub.Grant{rw("emon/plug/#")}
	reader := []hub.Grant{{Filter: "#", Read: true}}
	writer := []hub.Grant{{Filter: "a/+", Write: true}}
	deep := strings.Repeat("a/", 8) + "a"
	for _, tt := range []struct {
		name        string
		grants      []hub.Grant
		topic       string
		read, write bool
	}{
		{"own", plug, "emon/plug/power", true, true},
		{"own base", plug, "emon/plug", true, true},
		{"own, all", plug, "emon/plug/#", true, false},
		{"own, shared", plug, "$share/g/emon/plug/#", true, false},
		{"own, shared in capitals", plug, "$SHARE/g/emon/plug/#", true, false},
		{"all, shared", plug, "$share/g/#", false, false},
		{"all, shared, in capitals", plug, "$ShArE/g/#", false, false},
		{"share without a filter", plug, "$share/emon", false, false},
		{"another", plug, "emon/plug2/power", false, false},
		{"another in other case", plug, "emon/PLUG/power", false, false},
		{"all", plug, "#", false, false},
		{"one up", plug, "emon/+/power", false, false},
		{"reader reads all", reader, "x/y", true, false},
		{"but not the broker's", reader, "$SYS/x", false, false},
		{"nor all of the broker's", reader, "$SYS/#", false, false},
		{"shared neither", reader, "$share/g/$SYS/#", false, false},
		{"writer writes", writer, "a/b", false, true},
		{"but not wildcards", writer, "a/+", false, false},
		{"nor an empty topic", writer, "", false, false},
		{"too deep", reader, deep, false, false},
		{"too long", reader, strings.Repeat("a", 129), false, false},
		{"a zero byte", reader, "a\x00b", false, false},
		{"not UTF-8", reader, "a\xff", false, false},
		{"no grants", nil, "a", false, false},
	} {
		if got := mayRead(tt.grants, tt.topic); got != tt.read {
			t.Errorf("%s: may read = %v", tt.name, got)
		}
		if got := mayWrite(tt.grants, tt.topic); got != tt.write {
			t.Errorf("%s: may write = %v", tt.name, got)
		}
	}
}

// matches is MQTT's own matching, level by level; covers must agree with it.
func matches(filter, topic []string) bool {
	switch {
	case len(filter) > 0 && filter[0] == "#":
		return true
	case len(filter) == 0 || len(topic) == 0:
		return len(filter) == len(topic)
	case filter[0] != "+" && filter[0] != topic[0]:
		return false
	case len(topic) == 1 && len(filter) == 2 && filter[1] == "#":
		return true
	}
	return matches(filter[1:], topic[1:])
}

func FuzzCovers(f *testing.F) {
	f.Add("a/#", "a/+", "a/b")
	f.Add("+/b", "a/b", "a/b")
	f.Fuzz(func(t *testing.T, grant, filter, topic string) {
		if strings.ContainsAny(topic, "+#") || !clean(grant) || !clean(filter) {
			return
		}
		split := func(s string) []string { return strings.Split(s, "/") }
		if covers(grant, filter) && matches(split(filter), split(topic)) && !matches(split(grant), split(topic)) {
			t.Errorf("%q covers %q, but only the latter matches %q", grant, filter, topic)
		}
		if got := covers(grant, topic); got != matches(split(grant), split(topic)) {
			t.Errorf("covers(%q, %q) = %v", grant, topic, got)
		}
	})
}

// clean says whether wildcards stand where MQTT allows them.
func clean(filter string) bool {
	levels := strings.Split(filter, "/")
	for i, l := range levels {
		if strings.ContainsAny(l, "+#") && (len(l) > 1 || l == "#" && i < len(levels)-1) {
			return false
		}
	}
	return true
}
