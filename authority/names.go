package authority

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// The names and addresses that exist in a house alone; nobody else's are
// signed. A .local name is by multicast DNS (RFC 6762), home.arpa by the
// house's router (RFC 8375), and internal is private for good (ICANN board,
// 29 July 2024).
var (
	houseDomains = []string{"local", "localhost", "home.arpa", "internal"}
	houseNets    = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("::1/128"),
	}
)

// ofTheHouse are those of the names and addresses that may be signed, sorted
// and each once. One that may not would make the whole certificate invalid.
func ofTheHouse(names []string) []string {
	var list []string
	for _, name := range names {
		if addr, err := netip.ParseAddr(name); err == nil {
			addr = addr.Unmap().WithZone("")
			if slices.ContainsFunc(houseNets, func(p netip.Prefix) bool { return p.Contains(addr) }) {
				list = append(list, addr.String())
			}
			continue
		}
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if isHostName(name) && slices.ContainsFunc(houseDomains, func(d string) bool { return name == d || strings.HasSuffix(name, "."+d) }) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// isHostName says whether a name can stand in a certificate (RFC 1123, 2.1).
func isHostName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return len(name) <= 253
}

// ipNets are houseNets as package x509 wants them.
func ipNets() (list []*net.IPNet) {
	for _, p := range houseNets {
		list = append(list, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	return list
}
