// Package pairing lets a new device in: the owner opens a window, the device
// asks, the owner taps, and the device fetches a credential of its own, once.
// It speaks the protocol of emoncms' device module, which existing EmonESP
// plugs and sensors use and which upstream removed in 2026. Devices with a page
// of their own, which never ask, are told the same over HTTP.
//
// It is a security boundary: everything that comes in here comes from somebody
// who has no credential yet. It imports hub only; cmd/homehub gives it the
// rest.
package pairing
