package hub

import (
	"errors"
	"fmt"
)

// Code says what kind of thing went wrong, so that every door of the hub
// (HTTP, MQTT, command line) can answer in its own way.
type Code string

// The codes. webui maps each to one HTTP status.
const (
	Invalid      Code = "invalid"      // the input is wrong; Field names the part
	NotFound     Code = "not_found"    // there is no such thing
	Conflict     Code = "conflict"     // it is at odds with what is there
	Unauthorized Code = "unauthorized" // log in first, or not yours
	Unavailable  Code = "unavailable"  // right, but not possible now: try again
	Internal     Code = "internal"     // our fault
)

// Error is an error that a person will read. Message is one sentence without
// a final stop that says what to do where that is possible.
type Error struct {
	Code    Code
	Field   string // the key or parameter at fault, "" if none
	Message string
}

// Error is the message.
func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Message
	}
	return e.Message
}

// Errorf makes an Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// FieldErrorf makes an Invalid Error about one field of the input.
func FieldErrorf(field, format string, args ...any) *Error {
	return &Error{Code: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// CodeOf is the code of the first Error in err's chain, and Internal for any
// other error: what we did not foresee is our fault.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}
