package pairing

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"regexp"
)

// maxAnswer is how much of a device's answer is read.
const maxAnswer = 16 << 10

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// Identify asks an EmonESP device what it is: its node type, such as
// smartplug, wifirelay or hpmon, "" if it does not say. It fits
// Config.Identify.
func Identify(ctx context.Context, addr netip.Addr) (kind string) {
	return identify(ctx, netip.AddrPortFrom(addr, 80).String())
}

func identify(ctx context.Context, host string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/config", nil)
	if err != nil {
		return ""
	}
	r, err := deviceClient().Do(req)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	var config struct {
		NodeType string `json:"node_type"`
	}
	if json.NewDecoder(io.LimitReader(r.Body, maxAnswer)).Decode(&config) != nil || !plainWord.MatchString(config.NodeType) {
		return ""
	}
	return config.NodeType
}

// deviceClient speaks to a device in the house: it goes where it was sent and
// nowhere else, by no proxy, and keeps no connection that the device's few
// sockets would miss.
func deviceClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
