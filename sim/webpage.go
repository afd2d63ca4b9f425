package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"homehub/hub"
)

// WebPage is the page of a device that is set up over HTTP: a Shelly, a
// Tasmota, an OpenEVSE or an EmonESP, with the paths and answers of its
// firmware. It is an http.Handler.
type WebPage struct {
	Family   hub.Family
	Password string // "" for none
	// Told gets the settings once the device has all of them; may be nil.
	Told func(Settings)

	mu      sync.Mutex
	pending Settings
	set     Settings
}

// Settings are what a device was told of its broker.
type Settings struct {
	Server string // host:port
	Credentials
}

const (
	pageNonce = "60dc2c69"
	pageUser  = "admin"
)

// Name is what the device calls itself.
func (p *WebPage) Name() string {
	return map[hub.Family]string{
		hub.FamilyShelly1: "shellyplug-s-6A6375", hub.FamilyShelly2: "shellyplusplugs-fcb4670e1a2c", hub.FamilyTasmota: "tasmota-6A6375-0885",
		hub.FamilyOpenEVSE: "openevse-5a1f", hub.FamilyEmonESP: "smartplug1272",
	}[p.Family]
}

// Settings are those that the device has.
func (p *WebPage) Settings() Settings {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.set
}

// ServeHTTP answers as the device's firmware.
func (p *WebPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<10))
	if err != nil {
		return
	}
	answer := map[hub.Family]func(r *http.Request, body string) any{
		hub.FamilyShelly1: p.shelly1, hub.FamilyShelly2: p.shelly2, hub.FamilyTasmota: p.tasmota,
		hub.FamilyOpenEVSE: p.openEVSE, hub.FamilyEmonESP: p.emonESP,
	}[p.Family](r, string(body))
	switch answer := answer.(type) {
	case nil:
		http.NotFound(w, r)
	case int:
		if answer == http.StatusUnauthorized {
			challenge := `Basic realm="` + p.Name() + `"`
			if p.Family == hub.FamilyShelly2 {
				challenge = `Digest qop="auth", realm="` + p.Name() + `", nonce="` + pageNonce + `", algorithm=SHA-256`
			}
			w.Header().Set("WWW-Authenticate", challenge)
		}
		w.WriteHeader(answer)
	case string:
		fmt.Fprint(w, answer)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// basic says whether r knows the password.
func (p *WebPage) basic(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	return p.Password == "" || user == pageUser && password == p.Password
}

// keep takes what was told for good, as a restart does.
func (p *WebPage) keep(s Settings) {
	p.mu.Lock()
	p.set = s
	p.mu.Unlock()
	if p.Told != nil {
		p.Told(s)
	}
}

func (p *WebPage) shelly1(r *http.Request, body string) any {
	if r.URL.Path == "/shelly" { // asks for no password
		return map[string]any{"type": "SHPLG-S", "mac": "C45BBE6A6375", "auth": p.Password != "", "fw": "20230913-113421/v1.14.0", "num_outputs": 1, "num_meters": 1}
	}
	if !p.basic(r) {
		return http.StatusUnauthorized
	}
	form, _ := url.ParseQuery(body)
	switch {
	case r.URL.Path == "/settings" && form.Get("mqtt_enable") == "true":
		p.pending = Settings{form.Get("mqtt_server"), Credentials{
			ClientID: form.Get("mqtt_id"), Username: form.Get("mqtt_user"), Password: form.Get("mqtt_pass"), Topic: "shellies/" + form.Get("mqtt_id"),
		}}
	case r.URL.Path == "/reboot":
		p.keep(p.pending)
		return map[string]any{"ok": true}
	}
	if r.URL.Path != "/settings" {
		return nil
	}
	return map[string]any{"device": map[string]any{"type": "SHPLG-S", "hostname": p.Name()}, "mqtt": map[string]any{"enable": false, "id": p.Name()}}
}

func (p *WebPage) shelly2(r *http.Request, body string) any {
	if r.URL.Path == "/shelly" {
		return map[string]any{"name": nil, "id": p.Name(), "mac": "FCB4670E1A2C", "model": "SNPL-00112EU", "gen": 2, "ver": "1.4.4", "app": "PlusPlugS", "auth_en": p.Password != "", "auth_domain": p.Name()}
	}
	if !p.digest(r) {
		return http.StatusUnauthorized
	}
	switch r.URL.Path {
	case "/rpc/MQTT.SetConfig":
		var c struct {
			Config struct {
				Enable      bool
				Server      string
				User, Pass  string
				ClientID    string `json:"client_id"`
				TopicPrefix string `json:"topic_prefix"`
			}
		}
		if json.Unmarshal([]byte(body), &c) != nil || !c.Config.Enable {
			return http.StatusInternalServerError
		}
		p.pending = Settings{c.Config.Server, Credentials{ClientID: c.Config.ClientID, Username: c.Config.User, Password: c.Config.Pass, Topic: c.Config.TopicPrefix}}
		return map[string]any{"restart_required": true}
	case "/rpc/Shelly.Reboot":
		p.keep(p.pending)
		return struct{}{}
	}
	return nil
}

var digestPart = regexp.MustCompile(`(\w+)="?([^",]*)"?`)

// digest checks a digest by SHA-256 (RFC 7616) over nonce, count, cnonce,
// method and path.
func (p *WebPage) digest(r *http.Request) bool {
	if p.Password == "" {
		return true
	}
	part := map[string]string{}
	for _, m := range digestPart.FindAllStringSubmatch(strings.TrimPrefix(r.Header.Get("Authorization"), "Digest "), -1) {
		part[m[1]] = m[2]
	}
	sum := func(text string) string { h := sha256.Sum256([]byte(text)); return hex.EncodeToString(h[:]) }
	want := sum(sum(pageUser+":"+p.Name()+":"+p.Password) + ":" + pageNonce + ":" + part["nc"] + ":" + part["cnonce"] + ":auth:" + sum(r.Method+":"+r.URL.Path))
	return part["username"] == pageUser && part["realm"] == p.Name() && part["nonce"] == pageNonce && part["uri"] == r.URL.Path && part["response"] == want
}

func (p *WebPage) tasmota(r *http.Request, _ string) any {
	if r.URL.Path != "/cm" {
		return nil
	}
	q := r.URL.Query()
	if p.Password != "" && (q.Get("user") != pageUser || q.Get("password") != p.Password) {
		return map[string]string{"WARNING": "Need user=<username>&password=<password>"}
	}
	if q.Get("cmnd") == "Status 0" {
		return map[string]any{
			"Status":    map[string]any{"Module": 0, "DeviceName": "Nous A1T", "FriendlyName": []string{"Tasmota"}, "Topic": "tasmota_6A6375"},
			"StatusNET": map[string]any{"Hostname": p.Name(), "IPAddress": "192.168.1.53", "Mac": "5C:CF:7F:6A:63:75"},
		}
	}
	list, ok := strings.CutPrefix(q.Get("cmnd"), "Backlog ")
	if !ok {
		return map[string]string{"Command": "Unknown"}
	}
	v := map[string]string{}
	for command := range strings.SplitSeq(list, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(command), " ")
		v[name] = value
	}
	if v["SetOption3"] != "1" {
		return map[string]string{"Command": "Unknown"}
	}
	p.keep(Settings{v["MqttHost"] + ":" + v["MqttPort"], Credentials{ClientID: v["MqttClient"], Username: v["MqttUser"], Password: v["MqttPassword"], Topic: v["Topic"]}})
	return struct{}{}
}

func (p *WebPage) openEVSE(r *http.Request, body string) any {
	switch {
	case r.URL.Path != "/config":
		return nil
	case !p.basic(r):
		return http.StatusUnauthorized
	case r.Method == http.MethodGet:
		return map[string]any{"firmware": "7.1.3", "protocol": "5.1.0", "version": "v5.1.2", "buildenv": "openevse_wifi_v1", "hostname": p.Name(), "mqtt_topic": p.Name(), "mqtt_enabled": false}
	}
	var c struct {
		Enabled             bool   `json:"mqtt_enabled"`
		Server              string `json:"mqtt_server"`
		Port                int    `json:"mqtt_port"`
		Topic, User, Secret string
		MQTTTopic           string `json:"mqtt_topic"`
		MQTTUser            string `json:"mqtt_user"`
		MQTTPass            string `json:"mqtt_pass"`
	}
	if json.Unmarshal([]byte(body), &c) != nil || !c.Enabled {
		return http.StatusBadRequest
	}
	p.keep(Settings{c.Server + ":" + strconv.Itoa(c.Port), Credentials{ClientID: p.Name(), Username: c.MQTTUser, Password: c.MQTTPass, Topic: c.MQTTTopic}})
	return map[string]any{"msg": "done"}
}

func (p *WebPage) emonESP(r *http.Request, body string) any {
	switch {
	case !p.basic(r):
		return http.StatusUnauthorized
	case r.URL.Path == "/config":
		return map[string]string{"node_name": p.Name(), "node_type": "smartplug", "mqtt_topic": "emonesp"}
	case r.URL.Path != "/savemqtt":
		return nil
	}
	form, _ := url.ParseQuery(body)
	p.keep(Settings{form.Get("server") + ":" + form.Get("port"), Credentials{ClientID: plugChip, Username: form.Get("user"), Password: form.Get("pass"), Topic: form.Get("topic")}})
	return "Saved: " + form.Get("server")
}
