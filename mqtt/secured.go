package mqtt

import (
	"crypto/tls"
	"time"
)

// secured is a TLS connection whose end takes no longer than another's: the
// standard library gives the farewell five seconds.
type secured struct {
	*tls.Conn
}

// Close says goodbye and closes.
func (s secured) Close() error {
	late := time.AfterFunc(closeTimeout, func() { _ = s.NetConn().Close() })
	defer late.Stop()
	return s.Conn.Close()
}
