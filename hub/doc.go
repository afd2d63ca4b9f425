// Package hub is the vocabulary of the house and its live state: readings,
// devices, schedules, slots, commands and leases, and the one value that holds
// what is true right now.
//
// Everybody may import hub; hub imports nothing but the standard library, so
// that any part of the house can be named without pulling in the part that
// drives it.
package hub
