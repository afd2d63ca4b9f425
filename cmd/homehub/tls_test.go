package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"homehub/mqtt"
)

// A program connects over the web address and over TLS, with the certificate
// that the hub hands out.
func TestMQTTOverTheWebAddressAndTLS(t *testing.T) {
	file, data := serveConfig(t, "/dev/null")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := homehub(t, "", "mqtt", "user", "--data", data, "add", "logger", "--topics", "a/#", "--json")
	var cred struct{ Password string }
	if err := json.Unmarshal([]byte(out), &cred); err != nil || code != exitOK {
		t.Fatalf("%d %s %s", code, out, errOut)
	}
	p := serveFile(t, file)
	resp, err := http.Get(p.url + "/hub-ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	pool := x509.NewCertPool()
	if resp.StatusCode != 200 || !pool.AppendCertsFromPEM(text) {
		t.Fatalf("status %d: %s", resp.StatusCode, text)
	}
	if a, err := mqtt.OpenAuthority(filepath.Join(data, authorityFile)); err != nil || string(a.PEM()) != string(text) {
		t.Errorf("it is not the one that is kept (%v)", err)
	}
	connect := func(address string) error {
		c := paho.NewClient(paho.NewClientOptions().AddBroker(address).SetClientID("logger").SetUsername("logger").SetPassword(cred.Password).
			SetTLSConfig(&tls.Config{RootCAs: pool}).SetConnectTimeout(5 * time.Second).SetAutoReconnect(false))
		defer c.Disconnect(0)
		tok := c.Connect()
		if !tok.WaitTimeout(5 * time.Second) {
			t.Errorf("%s does not answer", address)
		}
		return tok.Error()
	}
	if err := connect("ws" + strings.TrimPrefix(p.url, "http") + "/mqtt"); err != nil {
		t.Errorf("over the web address: %v", err)
	}
	if err := connect("ssl://" + p.secure); err != nil {
		t.Errorf("over TLS: %v", err)
	}
}
