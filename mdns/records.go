package mdns

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	hostTTL    = 120                       // seconds: of what holds an address (RFC 6762, 10)
	otherTTL   = 4500                      // of the rest
	flushBit   = dnsmessage.Class(1 << 15) // of a record: forget what you knew; of a question: answer me alone
	typeNSEC   = dnsmessage.Type(47)
	metaDomain = "_services._dns-sd._udp.local."
)

// Service is something that the hub offers.
type Service struct {
	Type string // such as _http._tcp
	Port int
	Text map[string]string
}

// names are what the hub is called and what it offers, as records.
type names struct {
	host     string // hub
	services []Service
}

func (n names) fqdn() string { return n.host + ".local." }

// instance is what people see of a service. The host is in it, so that two hubs
// in one house do not clash here, too.
func (n names) instance() string { return "homehub (" + n.host + ")" }

func (s Service) domain() string { return s.Type + ".local." }

func (n names) full(s Service) string { return n.instance() + "." + s.domain() }

// record is one answer. Unique records are the hub's alone, so that whoever
// hears one forgets what it knew of the name.
type record struct {
	name   string
	unique bool
	ttl    uint32
	body   dnsmessage.ResourceBody
}

// kind is the type of a record's body.
func (r record) kind() dnsmessage.Type {
	switch b := r.body.(type) {
	case *dnsmessage.AResource:
		return dnsmessage.TypeA
	case *dnsmessage.AAAAResource:
		return dnsmessage.TypeAAAA
	case *dnsmessage.PTRResource:
		return dnsmessage.TypePTR
	case *dnsmessage.SRVResource:
		return dnsmessage.TypeSRV
	case *dnsmessage.TXTResource:
		return dnsmessage.TypeTXT
	case *dnsmessage.UnknownResource:
		return b.Type
	}
	return 0
}

// addresses are the records of the host at an interface with these addresses.
func (n names) addresses(addrs []netip.Addr) (list []record) {
	for _, a := range addrs {
		if a.Is4() {
			list = append(list, record{n.fqdn(), true, hostTTL, &dnsmessage.AResource{A: a.As4()}})
		} else {
			list = append(list, record{n.fqdn(), true, hostTTL, &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return list
}

// all is everything that the hub says of itself at an interface.
func (n names) all(addrs []netip.Addr) []record {
	list := n.addresses(addrs)
	for _, s := range n.services {
		list = append(list, n.of(s)...)
	}
	return list
}

// of are the records of a service.
func (n names) of(s Service) []record {
	text := []string{}
	for _, key := range slices.Sorted(maps.Keys(s.Text)) {
		text = append(text, key+"="+s.Text[key])
	}
	if len(text) == 0 {
		text = []string{""} // RFC 6763, 6.1: never without a string
	}
	full, domain := mustName(n.full(s)), mustName(s.domain())
	return []record{
		{metaDomain, false, otherTTL, &dnsmessage.PTRResource{PTR: domain}},
		{s.domain(), false, otherTTL, &dnsmessage.PTRResource{PTR: full}},
		{n.full(s), true, hostTTL, &dnsmessage.SRVResource{Port: uint16(s.Port), Target: mustName(n.fqdn())}},
		{n.full(s), true, otherTTL, &dnsmessage.TXTResource{TXT: text}},
	}
}

// answers are the records that fit a question, and those that its asker will
// want next.
func (n names) answers(q dnsmessage.Question, addrs []netip.Addr) (fit, extra []record) {
	name := strings.ToLower(q.Name.String())
	for _, r := range n.all(addrs) {
		if strings.ToLower(r.name) == name && (q.Type == dnsmessage.TypeALL || q.Type == r.kind()) {
			fit = append(fit, r)
		}
	}
	switch {
	case len(fit) == 0 && name == strings.ToLower(n.fqdn()) && (q.Type == dnsmessage.TypeA || q.Type == dnsmessage.TypeAAAA):
		// It has no such address. Whoever hears nothing would wait for it.
		return []record{n.noMore(addrs)}, nil
	case len(fit) > 0 && q.Type == dnsmessage.TypePTR && name != metaDomain:
		for _, s := range n.services {
			if strings.ToLower(s.domain()) == name {
				extra = append(extra, n.of(s)[2:]...)
			}
		}
		extra = append(extra, n.addresses(addrs)...)
	case len(fit) > 0 && q.Type == dnsmessage.TypeSRV:
		extra = n.addresses(addrs)
	}
	return fit, extra
}

// noMore says which types the host has (RFC 6762, 6.1).
func (n names) noMore(addrs []netip.Addr) record {
	var bits [4]byte // types 0 to 31
	for _, r := range n.addresses(addrs) {
		bits[r.kind()/8] |= 0x80 >> (r.kind() % 8)
	}
	var data []byte
	for label := range strings.SplitSeq(strings.TrimSuffix(n.fqdn(), "."), ".") {
		data = append(append(data, byte(len(label))), label...)
	}
	data = append(append(data, 0, 0, byte(len(bits))), bits[:]...)
	return record{n.fqdn(), true, hostTTL, &dnsmessage.UnknownResource{Type: typeNSEC, Data: data}}
}

// known says whether the asker said that it has r already, and for a while yet
// (RFC 6762, 7.1).
func known(r record, answers []dnsmessage.Resource) bool {
	for _, a := range answers {
		if !strings.EqualFold(a.Header.Name.String(), r.name) || a.Header.Type != r.kind() || a.Header.TTL < r.ttl/2 {
			continue
		}
		if a.Body.GoString() == r.body.GoString() {
			return true
		}
	}
	return false
}

// message packs records. A legacy asker, whose port is not 5353, gets its
// question back and no bit that it does not know (RFC 6762, 6.7).
func message(id uint16, question *dnsmessage.Question, legacy bool, fit, extra []record) ([]byte, error) {
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
	if legacy {
		m.ID, m.Questions = id, []dnsmessage.Question{*question}
		m.Questions[0].Class &^= flushBit
	}
	m.Answers, m.Additionals = resources(fit, legacy), resources(extra, legacy)
	return m.Pack()
}

func resources(list []record, legacy bool) (out []dnsmessage.Resource) {
	for _, r := range list {
		class, ttl := dnsmessage.ClassINET, r.ttl
		if r.unique && !legacy {
			class |= flushBit
		}
		if legacy {
			ttl = min(ttl, 10)
		}
		out = append(out, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: mustName(r.name), Type: r.kind(), Class: class, TTL: ttl}, Body: r.body,
		})
	}
	return out
}

// probe asks whether anybody has the host's name, and says who would take it
// (RFC 6762, 8.1).
func (n names) probe(addrs []netip.Addr) ([]byte, error) {
	m := dnsmessage.Message{
		Questions:   []dnsmessage.Question{{Name: mustName(n.fqdn()), Type: dnsmessage.TypeALL, Class: dnsmessage.ClassINET}},
		Authorities: resources(n.addresses(addrs), true),
	}
	for i := range m.Authorities {
		m.Authorities[i].Header.TTL = hostTTL
	}
	return m.Pack()
}

// mustName is a domain name of ours, all of which fit.
func mustName(name string) dnsmessage.Name {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return dnsmessage.MustNewName("local.")
	}
	return n
}

// addrOf is the address that a resource holds.
func addrOf(r dnsmessage.Resource) (netip.Addr, bool) {
	switch b := r.Body.(type) {
	case *dnsmessage.AResource:
		return netip.AddrFrom4(b.A), true
	case *dnsmessage.AAAAResource:
		return netip.AddrFrom16(b.AAAA), true
	}
	return netip.Addr{}, false
}
