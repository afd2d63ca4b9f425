package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"homehub/hub"
	"homehub/mqtt"
	"homehub/scheduler"
)

// defaultConfigFile is where serve looks without --config.
const defaultConfigFile = "/etc/homehub/homehub.toml"

// Config is the file /etc/homehub/homehub.toml: what an installer decides
// once. What people change day to day lives in the store. The sample file is
// printed from these tags and defaults, so the two can not drift apart.
type Config struct {
	Web   WebConfig   `toml:"web" doc:"The pages and the API."`
	MQTT  MQTTConfig  `toml:"mqtt" doc:"The broker of the house."`
	Meter MeterConfig `toml:"meter" doc:"The smart meter's P1 port."`
	Data  DataConfig  `toml:"data" doc:"Where readings and decisions are kept."`
	House HouseConfig `toml:"house" doc:"The house."`
	Relay RelayConfig `toml:"relay" doc:"Relays on this machine's own header."`
	Log   LogConfig   `toml:"log" doc:"The log."`
}

// WebConfig is the table [web].
type WebConfig struct {
	Listen        string   `toml:"listen" doc:"Address and port; an empty address is all of this machine's."`
	ListenTLS     string   `toml:"listen_tls" doc:"The same over HTTPS, for phones and computers that were given the hub's certificate (page More, Secure connection); empty: none."`
	RedirectHTTPS bool     `toml:"redirect_https" doc:"true: browsers that come over HTTP are sent on to HTTPS, where those without the certificate see a warning."`
	Name          string   `toml:"name" doc:"What the hub is called in the network: hub makes it hub.local, empty makes it nothing."`
	Hosts         []string `toml:"hosts" doc:"Names by which browsers may call the hub, beside hub.local and its addresses."`
	ReadOpen      bool     `toml:"read_open" doc:"true: everybody in the house may look without a log-in. Changing always needs one."`
}

// MQTTConfig is the table [mqtt].
type MQTTConfig struct {
	Listen    string `toml:"listen" doc:"Address and port for plugs, chargers and programs."`
	ListenTLS string `toml:"listen_tls" doc:"The same over TLS, for those that were given the hub's certificate (/hub-ca.pem on its pages); empty: none."`
}

// MeterConfig is the table [meter].
type MeterConfig struct {
	Kind     string `toml:"kind" doc:"serial, tcp (ser2net and network gateways), http (HomeWizard), replay (a file), mqtt (values on topics of this broker), or none."`
	Port     string `toml:"port" doc:"serial: a device, best by its name in /dev/serial/by-id, or auto; tcp: host:port; http: a URL; replay: a file."`
	Lenient  bool   `toml:"lenient" doc:"true: take telegrams without a valid CRC and with bare line feeds, as some gateways send them."`
	Key      string `toml:"key" doc:"Luxembourg and Austria: the 32 hexadecimal digits of the decryption key."`
	AuthKey  string `toml:"auth_key" doc:"The authentication key that goes with it, if your supplier gave one."`
	Token    string `toml:"token" doc:"http: bearer token, as HomeWizard's API v2 wants one."`
	Insecure bool   `toml:"insecure" doc:"http: true takes any certificate; gateways on the LAN sign their own."`
	NoTag    bool   `toml:"no_tag" doc:"Luxembourg and Austria: true relies on the CRC inside, for meters whose authentication tag is known to be wrong."`
	// Topics is for kind mqtt.
	Topics map[string]string `toml:"topics" doc:"mqtt: which topic carries which value, like { import = \"p1/power W\", import_t1 = \"p1/json#/t1 kWh\" }."`
}

// DataConfig is the table [data].
type DataConfig struct {
	Dir      string   `toml:"dir" doc:"The data folder."`
	Interval duration `toml:"interval" doc:"Time between two stored points, 1s to 1h."`
	Window   duration `toml:"window" doc:"How much a power cut may take: readings reach the card this often, 1s to 1h."`
}

// HouseConfig is the table [house].
type HouseConfig struct {
	Zone        string `toml:"zone" doc:"Time zone of the house."`
	Language    string `toml:"language" doc:"Language of the pages for browsers that ask for none there is: en, nl, fr, de or cy."`
	ImportLimit int    `toml:"import_limit_w" doc:"What the connection can carry, in W: 17250 is 3x25 A."`
	Phases      int    `toml:"phases" doc:"Phases of the connection, 1 or 3."`
	Fuse        int    `toml:"fuse_a" doc:"Main fuse of each phase, in A, like 25; 0: only import_limit_w is guarded."`
	PeakFree    int    `toml:"peak_free_w" doc:"Capacity tariff (Flanders: 2500): the month's highest quarter of an hour up to this costs nothing more, in W; 0: no such tariff."`
	PeakPrice   int    `toml:"peak_eur_per_kw" doc:"Capacity tariff: what each kW of the month's highest quarter costs in a year, in EUR."`
	ResetFile   string `toml:"reset_file" doc:"When this file is new at a start, the owner's password is taken away and the pages ask for another; empty: never."`
	ReplanGain  int    `toml:"replan_gain_ct" doc:"A plan in force is changed only if that saves more than this many cents."`
}

// RelayConfig is the table [relay].
type RelayConfig struct {
	MinOn  duration `toml:"min_on" doc:"How long a relay stays on at least, for what must not be switched often; 0s is no limit."`
	MinOff duration `toml:"min_off" doc:"How long it stays off at least."`
}

// LogConfig is the table [log].
type LogConfig struct {
	Level slog.Level `toml:"level" doc:"DEBUG, INFO, WARN or ERROR. The last lines are on the status page."`
}

// defaults are the values that hold where the file says nothing.
func defaults() Config {
	return Config{
		Web:   WebConfig{Listen: ":80", ListenTLS: ":443", Name: "hub", Hosts: []string{}},
		MQTT:  MQTTConfig{Listen: ":1883", ListenTLS: ":8883"},
		Meter: MeterConfig{Kind: "serial", Port: "auto", Topics: map[string]string{}},
		Data:  DataConfig{Dir: "/var/lib/homehub", Interval: duration(10 * time.Second), Window: duration(time.Minute)},
		House: HouseConfig{Zone: "Europe/Amsterdam", Language: "en", ImportLimit: 17_250, Phases: 3, Fuse: 25, PeakPrice: 53, ReplanGain: 2, ResetFile: "/boot/firmware/homehub-reset"},
		Log:   LogConfig{Level: slog.LevelInfo},
	}
}

// duration is a time.Duration that TOML writes as "10s".
type duration time.Duration

// UnmarshalText reads "10s" or "1m30s".
func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = duration(v)
	return err
}

// String is the duration as in the file: "1m0s" is written "1m".
func (d duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	return strings.TrimSuffix(s, "0m")
}

// configError is a fault in a file: where it is, and what to do.
type configError struct {
	file string
	line int // 0: not known
	key  string
	text string
}

func (e *configError) Error() string {
	where := e.file
	if e.line > 0 {
		where = fmt.Sprintf("%s:%d", e.file, e.line)
	}
	return fmt.Sprintf("%s: %s: %s", where, e.key, e.text)
}

// typeFault takes the TOML library's words about a wrong type apart: it has no
// error type for that.
var typeFault = regexp.MustCompile(`^toml: line (\d+) \(last key "([^"]+)"\): (.*)$`)

// loadConfig reads and checks a file. Errors name file, line and key; several
// are joined, one a line.
func loadConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	cfg := defaults()
	meta, err := toml.Decode(string(text), &cfg)
	if err != nil {
		var parse toml.ParseError
		if errors.As(err, &parse) {
			key := parse.LastKey
			if key == "" {
				key = "syntax"
			}
			return Config{}, &configError{path, parse.Position.Line, key, parse.Message}
		}
		if m := typeFault.FindStringSubmatch(err.Error()); m != nil {
			line, _ := strconv.Atoi(m[1])
			return Config{}, &configError{path, line, m[2], m[3]}
		}
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	for _, key := range meta.Undecoded() {
		errs = append(errs, &configError{path, lineOf(string(text), key), key.String(), "is not a known key: see homehub check-config --print-default"})
	}
	for _, e := range cfg.check() {
		key := strings.Split(e.key, ".")
		e.file, e.line = path, lineOf(string(text), key)
		if e.line == 0 { // inside an inline table
			e.line = lineOf(string(text), key[:len(key)-1])
		}
		errs = append(errs, e)
	}
	return cfg, errors.Join(errs...)
}

// lineOf finds the line of a key, 0 if it is not written there.
func lineOf(text string, key toml.Key) int {
	table := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			table = strings.TrimSpace(strings.Trim(strings.SplitN(name, "]", 2)[0], "[ "))
			if key.String() == table {
				return i + 1
			}
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		name = strings.Trim(strings.TrimSpace(name), `"'`)
		if table != "" {
			name = table + "." + name
		}
		if name == key.String() {
			return i + 1
		}
	}
	return 0
}

// hostName is one label of a domain name (RFC 1123, 2.1).
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$`)

// check looks at the values and at what they point to.
func (c Config) check() (errs []*configError) {
	bad := func(key, text string, args ...any) {
		errs = append(errs, &configError{key: key, text: fmt.Sprintf(text, args...)})
	}
	for key, addr := range map[string]string{"web.listen": c.Web.Listen, "web.listen_tls": c.Web.ListenTLS, "mqtt.listen": c.MQTT.Listen, "mqtt.listen_tls": c.MQTT.ListenTLS} {
		if _, _, err := net.SplitHostPort(addr); err != nil && (addr != "" || !strings.HasSuffix(key, "_tls")) {
			bad(key, "%q is not an address with a port, like \":80\" or \"192.168.1.10:80\"", addr)
		}
	}
	if c.Web.Name != "" && !hostName.MatchString(c.Web.Name) {
		bad("web.name", "%q is not a name: use small letters, digits and dashes, without .local", c.Web.Name)
	}
	if c.Web.RedirectHTTPS && c.Web.ListenTLS == "" {
		bad("web.redirect_https", "needs an address in web.listen_tls to send browsers to")
	}
	c.Meter.check(bad)
	if d := time.Duration(c.Data.Interval); d < time.Second || d > time.Hour || d%time.Second != 0 {
		bad("data.interval", "must be whole seconds from 1s to 1h")
	}
	if d := time.Duration(c.Data.Window); d < time.Second || d > time.Hour {
		bad("data.window", "must be 1s to 1h")
	}
	if !filepath.IsAbs(c.Data.Dir) {
		bad("data.dir", "%q must be an absolute path", c.Data.Dir)
	} else if err := reachable(c.Data.Dir); err != nil {
		bad("data.dir", "%v", err)
	}
	if _, err := time.LoadLocation(c.House.Zone); err != nil || c.House.Zone == "" {
		bad("house.zone", "%q is not a time zone like Europe/Amsterdam", c.House.Zone)
	}
	if !slices.Contains([]string{"en", "nl", "fr", "de", "cy"}, c.House.Language) {
		bad("house.language", "%q is not one of en, nl, fr, de, cy", c.House.Language)
	}
	if c.House.ImportLimit < 1000 || c.House.ImportLimit > 200_000 {
		bad("house.import_limit_w", "must be 1000 to 200000")
	}
	c.House.check(bad)
	return errs
}

// check finds what is wrong with the connection of the house.
func (h HouseConfig) check(bad func(key, text string, args ...any)) {
	for _, k := range []struct {
		key            string
		v, least, most int
	}{
		{"house.fuse_a", h.Fuse, 0, 200},
		{"house.peak_free_w", h.PeakFree, 0, 100_000},
		{"house.peak_eur_per_kw", h.PeakPrice, 0, 1000},
		{"house.replan_gain_ct", h.ReplanGain, 0, 1000},
	} {
		if k.v < k.least || k.v > k.most {
			bad(k.key, "must be %d to %d", k.least, k.most)
		}
	}
	if h.Phases != 1 && h.Phases != 3 {
		bad("house.phases", "must be 1 or 3")
	}
}

// connection is what the scheduler's guards and plans keep to.
func (c Config) connection() scheduler.Connection {
	return scheduler.Connection{
		Import: hub.Watt(c.House.ImportLimit), Fuse: c.House.Fuse, Phases: c.House.Phases,
		PeakFloor: hub.Watt(c.House.PeakFree), PeakPrice: hub.MicroEuro(c.House.PeakPrice) * 1_000_000,
		Metered: c.Meter.Kind != "none",
	}
}

func (m MeterConfig) check(bad func(key, text string, args ...any)) {
	switch m.Kind {
	case "serial", "tcp", "http", "replay":
		if m.Port == "" {
			bad("meter.port", "must not be empty for a meter of kind %s", m.Kind)
		}
	case "mqtt":
		if len(m.Topics) == 0 {
			bad("meter.topics", "must name at least one topic for a meter of kind mqtt")
		}
	case "none":
	default:
		bad("meter.kind", "%q is not one of serial, tcp, http, replay, mqtt, none", m.Kind)
	}
	if _, err := mqtt.ParseMeterMap(m.Topics); err != nil {
		if e, ok := errors.AsType[*hub.Error](err); ok {
			bad(e.Field, "%s", e.Message)
		} else {
			bad("meter.topics", "%v", err)
		}
	}
	for key, v := range map[string]string{"meter.key": m.Key, "meter.auth_key": m.AuthKey} {
		if b, err := hex.DecodeString(v); v != "" && (err != nil || len(b) != 16) {
			bad(key, "must be 32 hexadecimal digits")
		}
	}
}

// reachable looks at the part of a path that exists: the rest is made at the
// first start.
func reachable(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("%s is a file, not a folder", dir)
	case errors.Is(err, os.ErrNotExist) && filepath.Dir(dir) != dir:
		return reachable(filepath.Dir(dir))
	}
	return err
}

// printDefault writes the commented sample file.
func printDefault(w io.Writer) {
	fmt.Fprintln(w, "# homehub: every key with its default. Leave out what you do not change.")
	tables := reflect.ValueOf(defaults())
	for i := range tables.NumField() {
		table := tables.Type().Field(i)
		fmt.Fprintf(w, "\n# %s\n[%s]\n", table.Tag.Get("doc"), table.Tag.Get("toml"))
		for j := range table.Type.NumField() {
			field := table.Type.Field(j)
			fmt.Fprintf(w, "# %s\n%s = %s\n", field.Tag.Get("doc"), field.Tag.Get("toml"), tomlValue(tables.Field(i).Field(j).Interface()))
		}
	}
}

func tomlValue(v any) string {
	switch v := v.(type) {
	case int, bool:
		return fmt.Sprint(v)
	case []string:
		quoted := make([]string, len(v))
		for i, s := range v {
			quoted[i] = fmt.Sprintf("%q", s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	if m, ok := v.(map[string]string); ok && len(m) == 0 {
		return "{}"
	}
	return fmt.Sprintf("%q", fmt.Sprint(v))
}
