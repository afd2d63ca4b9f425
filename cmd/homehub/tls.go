package main

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"

	"homehub/hub"
	"homehub/mqtt"
)

// authorityFile holds the hub's own certificate authority, in the data folder.
const authorityFile = "authority.pem"

// secureBroker is where and how the broker speaks TLS. Without an authority it
// does not, which is a line on the status page and no end: plugs speak none.
func (i *installation) secureBroker() (addr string, secret *tls.Config) {
	if i.cfg.MQTT.ListenTLS == "" {
		return "", nil
	}
	a, err := mqtt.OpenAuthority(filepath.Join(i.cfg.Data.Dir, authorityFile))
	if err != nil {
		i.health.Set("tls", hub.Down, err.Error())
		return "", nil
	}
	i.authority = a.PEM()
	return i.cfg.MQTT.ListenTLS, a.TLS(i.names)
}

// names are the names and addresses that the hub goes by at the moment.
func (i *installation) names() []string {
	names := append([]string{"hub.local", "localhost"}, i.cfg.Web.Hosts...)
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
