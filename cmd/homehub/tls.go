package main

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"homehub/authority"
	"homehub/hub"
	"homehub/webui"
)

// authorityFile is where a hub keeps its own certificate authority.
func authorityFile(dir string) string { return filepath.Join(dir, "authority.pem") }

// buildAuthority opens the hub's own certificate authority, where anything
// speaks TLS. A damaged one is a line on the status page and no end: HTTP and
// MQTT without TLS go on, and so does TLS once the file is put back.
func (i *installation) buildAuthority() error {
	if i.cfg.Web.ListenTLS == "" && i.cfg.MQTT.ListenTLS == "" {
		return nil
	}
	i.authority = authority.Open(authority.Config{
		Path: authorityFile(i.cfg.Data.Dir), Logger: i.part("tls"), Names: i.names,
		Now: time.Now, Floor: builtAt(), // the machine's clock: also in a simulated house, phones are real
		Condition: func(err error) {
			if err != nil {
				i.health.Set("tls", hub.Down, err.Error())
				return
			}
			i.health.Set("tls", hub.OK, "")
		},
		Replaced: func(r authority.Root) {
			go i.audit("command line", "authority.replaced", r.Name) // a handshake may not wait for the card
		},
	})
	return nil
}

// secureBroker is where and how the broker speaks TLS.
func (i *installation) secureBroker() (addr string, secret *tls.Config) {
	if i.cfg.MQTT.ListenTLS == "" {
		return "", nil
	}
	return i.cfg.MQTT.ListenTLS, i.authority.Devices()
}

// certificate is what phones and devices are given, for the pages.
func (i *installation) certificate() (webui.Certificate, error) {
	if i.authority == nil {
		return webui.Certificate{}, hub.Errorf(hub.NotFound, "the hub does not speak TLS: see web.listen_tls and mqtt.listen_tls in its configuration")
	}
	root, err := i.authority.Root()
	if err != nil {
		return webui.Certificate{}, hub.Errorf(hub.Unavailable, "%v", err)
	}
	return webui.Certificate{Name: root.Name, DER: root.DER, Fingerprint: root.Fingerprint()}, nil
}

// names are the names and addresses that the hub goes by at the moment. Its
// name in the network is the one that it got, as another machine may have the
// one that it wants.
func (i *installation) names() []string {
	names := append([]string{"localhost"}, i.cfg.Web.Hosts...)
	if host := i.netName.NetName().Host; host != "" {
		names = append(names, host)
	} else if i.cfg.Web.Name != "" {
		names = append(names, i.cfg.Web.Name+".local")
	}
	if name, err := os.Hostname(); err == nil {
		names = append(names, name, name+".local")
	}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			names = append(names, n.IP.String())
		}
	}
	return names
}

// builtAt is a time that has passed for certain: that of the commit this
// program was built from, zero if nobody recorded it.
func builtAt() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			at, _ := time.Parse(time.RFC3339, s.Value) // zero if it is none
			return at
		}
	}
	return time.Time{}
}
