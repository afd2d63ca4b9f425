// Package mqtt is the broker of the house: mochi-mqtt behind a guard of our
// own, the rules of who may say what on it, the list of who announced itself,
// and the codecs of the device families (hub.Family) that speak MQTT or plain
// HTTP.
//
// Plain messages take a way of their own past the library; fastpath.go says
// which, and docs/adr/0007 why.
//
// The library is confined to this package. What it can not be trusted with
// (who connects, how much is read, who is written to, when a session changes
// hands, what is kept) is done around it; each counter names the defect it
// counters. Only cmd/homehub and tests may import this package.
package mqtt
