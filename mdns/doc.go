// Package mdns makes the hub known in the house's network by name, hub.local,
// and by what it offers, and finds devices that make themselves known:
// multicast DNS (RFC 6762) and DNS-based service discovery (RFC 6763).
//
// Where avahi runs, which answers for the machine already, it does so for the
// hub as well; elsewhere the hub answers itself. It imports hub only;
// cmd/homehub gives it the rest.
package mdns
