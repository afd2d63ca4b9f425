package mqtt

import (
	"strings"
	"unicode/utf8"

	"homehub/hub"
)

const (
	maxTopicBytes  = 128
	maxTopicLevels = 8 // the library walks levels recursively; mosquitto fell over 65,400 of them (CVE-2019-11779)
)

// usable says whether a topic or filter is short, shallow and clean enough to
// be let into the library. Wildcards are the caller's business.
func usable(topic string) bool {
	return topic != "" && len(topic) <= maxTopicBytes && strings.Count(topic, "/") < maxTopicLevels &&
		utf8.ValidString(topic) && strings.IndexByte(topic, 0) < 0
}

// publishable says whether a client may ever publish on a topic: no wildcards,
// and none of the broker's own $ topics.
func publishable(topic string) bool {
	return usable(topic) && topic[0] != '$' && !strings.ContainsAny(topic, "+#")
}

// covers says whether every topic that filter matches is also matched by
// grant (MQTT 5.0 §4.7). A topic is a filter that matches itself alone.
func covers(grant, filter string) bool {
	for {
		g, gRest, gMore := strings.Cut(grant, "/")
		f, fRest, fMore := strings.Cut(filter, "/")
		switch {
		case g == "#":
			return true
		case f == "#", g != "+" && g != f:
			return false
		case !gMore && !fMore:
			return true
		case !gMore:
			return false
		case !fMore:
			return gRest == "#" // a/# matches a as well
		}
		grant, filter = gRest, fRest
	}
}

// mayRead says whether the grants allow a subscription to filter, or the
// delivery of a topic. A shared subscription counts as its filter.
func mayRead(grants []hub.Grant, filter string) bool {
	if rest, ok := cutShare(filter); ok {
		filter = rest
	}
	if !usable(filter) || filter[0] == '$' {
		return false
	}
	for _, g := range grants {
		if g.Read && covers(g.Filter, filter) {
			return true
		}
	}
	return false
}

// mayWrite says whether the grants allow a message on topic.
func mayWrite(grants []hub.Grant, topic string) bool {
	if !publishable(topic) {
		return false
	}
	for _, g := range grants {
		if g.Write && covers(g.Filter, topic) {
			return true
		}
	}
	return false
}

// cutShare takes $share/group/ off a shared subscription's filter. The library
// takes the prefix in any case, so the check has to as well.
func cutShare(filter string) (string, bool) {
	const prefix = "$share/"
	if len(filter) < len(prefix) || !strings.EqualFold(filter[:len(prefix)], prefix) {
		return "", false
	}
	_, rest, ok := strings.Cut(filter[len(prefix):], "/")
	return rest, ok
}
