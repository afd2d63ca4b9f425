package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// TestAMeterOverMQTT makes a log-in on the command line, and publishes with it
// what the hub then shows as the meter's reading.
func TestAMeterOverMQTT(t *testing.T) {
	file, data := serveConfig(t, "unused")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(string(text), "[meter]\n", "[meter]\nkind = \"mqtt\"\ntopics = { import = \"p1/power kW\", import_t1 = \"p1/registers#/t1\" }\n", 1)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := homehub(t, "", "mqtt", "user", "--data", data, "add", "P1 reader", "--topics", "p1/#:w", "--json")
	var cred struct {
		ClientID string `json:"client_id"`
		Username string
		Password string
	}
	if err := json.Unmarshal([]byte(out), &cred); err != nil || code != exitOK || cred.ClientID != "p1-reader" {
		t.Fatalf("%d %s %s", code, out, errOut)
	}
	p := serveFile(t, file)
	client := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + p.mqtt).
		SetClientID(cred.ClientID).SetUsername(cred.Username).SetPassword(cred.Password))
	if token := client.Connect(); !token.WaitTimeout(waitTime) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	defer client.Disconnect(100)
	client.Publish("p1/power", 0, false, "0.432")
	client.Publish("p1/registers", 0, false, `{"t1": 1234.567, "t2": 0}`)
	p.until("the reading is live", waitTime, func() bool {
		l := p.live()
		return l.ImportW == 432 && l.Registers["import_t1_wh"] == 1_234_567
	})
	p.until("the status says so", waitTime, func() bool { c, _ := p.condition("meter"); return c == "ok" })
	at := p.live().At.Unix()
	if points := p.points("import_w", fmt.Sprintf("start=%d&end=%d&interval=1", at-5, at+5)); len(points) == 0 {
		t.Error("nothing is stored")
	}
	if code, out, _ := homehub(t, "", "mqtt", "user", "--data", data, "list"); code != exitOK || !strings.Contains(out, "p1/#") {
		t.Errorf("the running hub lists %d %s", code, out)
	}
	code, out, errOut = homehub(t, "", "mqtt", "user", "--data", data, "add", "Grafana", "--topics", "homehub/#:r", "--json")
	if err := json.Unmarshal([]byte(out), &cred); err != nil || code != exitOK || cred.Username != "grafana" {
		t.Fatalf("%d %s %s", code, out, errOut)
	}
	lost := make(chan error, 1)
	second := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + p.mqtt).SetAutoReconnect(false).
		SetClientID(cred.ClientID).SetUsername(cred.Username).SetPassword(cred.Password).
		SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }))
	if token := second.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatalf("a log-in made while the hub runs: %v", token.Error())
	}
	if code, _, errOut := homehub(t, "", "mqtt", "user", "--data", data, "revoke", "grafana"); code != exitOK {
		t.Errorf("revoke: %d %s", code, errOut)
	}
	select {
	case <-lost:
	case <-time.After(5 * time.Second * patience):
		t.Error("a revoked log-in is still connected")
	}
	if code, _, errOut := homehub(t, "", "mqtt", "user", "--data", data, "revoke", "grafana"); code != exitFailure || !strings.Contains(errOut, "grafana") {
		t.Errorf("revoked twice: %d %s", code, errOut)
	}
	p.stop()
	if code, out, _ := homehub(t, "", "mqtt", "user", "--data", data, "list"); code != exitOK || !strings.Contains(out, "p1/#") {
		t.Errorf("list: %d %s", code, out)
	}
	if code, _, errOut := homehub(t, "", "mqtt", "user", "--data", data, "revoke", "p1-reader"); code != exitOK {
		t.Errorf("revoke: %d %s", code, errOut)
	}
}
