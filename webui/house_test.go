package webui_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// house is a hub with everything webui needs around it, all in memory.
type house struct {
	t       *testing.T
	now     time.Time // when the house was made, in its zone
	clock   hub.Clock
	hub     *hub.Hub
	health  *hub.Health
	users   *fakeUsers
	tokens  *fakeTokens
	clients *fakeClients
	feeds   *fakeFeeds
	keeper  *fakeKeeper
	notices *fakeNotices
	home    *fakeHome
	archive *fakeArchive
	server  *webui.Server
	pairing *fakePairing
	setup   *fakeSetup
	removed hub.Device // that can be brought back
	web     *httptest.Server
	log     *bytes.Buffer

	mu    sync.Mutex
	audit []webui.AuditLine
}

// password of every user of the house. Hashing costs, so it is done once.
const password = "correct horse"

var passwordHash = sync.OnceValue(func() string {
	hash, err := webui.HashPassword(password)
	if err != nil {
		panic(err)
	}
	return hash
})

var amsterdam = sync.OnceValue(func() *time.Location {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic(err)
	}
	return zone
})

// testCertificate is one to look at: nobody can use it.
var testCertificate = webui.Certificate{
	Name: "homehub 1a2b3c4d", DER: []byte("certificate"),
	Fingerprint: "BA:78:16:BF 8F:01:CF:EA 41:41:40:DE 5D:AE:22:23 B0:03:61:A3 96:17:7A:9C B4:10:FF:61 F2:00:15:AD",
}

// newHouse serves a house over TCP until the test ends.
func newHouse(t *testing.T, change ...func(*webui.Config)) *house {
	t.Helper()
	return newHouseAt(t, time.Time{}, change...)
}

// newHouseAt serves a house whose clock shows at when it is made; zero is
// now.
func newHouseAt(t *testing.T, at time.Time, change ...func(*webui.Config)) *house {
	t.Helper()
	h := houseOffline(t, at, change...)
	h.web = httptest.NewUnstartedServer(h.server.Handler())
	h.web.Start()
	t.Cleanup(func() {
		h.server.Close()
		h.web.CloseClientConnections()
		h.web.Close()
	})
	return h
}

// newHouseOffline makes a house that nobody serves.
func newHouseOffline(t *testing.T, change ...func(*webui.Config)) *house {
	t.Helper()
	return houseOffline(t, time.Time{}, change...)
}

func houseOffline(t *testing.T, at time.Time, change ...func(*webui.Config)) *house {
	t.Helper()
	h := &house{t: t, log: &bytes.Buffer{}, keeper: &fakeKeeper{}, clients: &fakeClients{}, tokens: &fakeTokens{}, notices: &fakeNotices{}, home: newFakeHome(), archive: &fakeArchive{gone: make(chan string, 8)}}
	if !at.IsZero() {
		h.clock = hub.ScaledClock(at, 1)
	}
	h.now = h.clock.Now().In(amsterdam())
	h.users = &fakeUsers{list: map[string]webui.User{}}
	for _, role := range []webui.Role{webui.Owner, webui.Family, webui.Installer} {
		h.users.list[string(role)] = webui.User{Name: string(role), Role: role, PasswordHash: passwordHash()}
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	h.health = hub.NewHealth(hub.Clock{}, quiet)
	var err error
	h.hub, err = hub.New(hub.Config{Clock: h.clock, Logger: quiet, Keeper: h.keeper, Actuators: map[hub.Family]hub.Actuator{
		hub.FamilyEmonESP: &fakeActuator{h}, hub.FamilyOpenEVSE: &fakeActuator{h}, hub.FamilyGPIO: &fakeActuator{h},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h.feeds = &fakeFeeds{house: h}
	h.pairing, h.setup = &fakePairing{house: h, phase: "closed"}, &fakeSetup{house: h}
	cfg := webui.Config{
		Clock: h.clock, Zone: amsterdam(), Logger: slog.New(slog.NewTextHandler(h.log, nil)),
		Live: h.hub, Devices: h.hub, Feeds: h.feeds, Users: h.users, Health: h.health,
		Tokens: h.tokens, TokenList: h.tokens.all, Clients: h.clients, Logs: fakeLogs{},
		Notices: h.notices, House: h.home, Archive: h.archive,
		Version: "test-1", ReadOpen: true, Preview: h.preview, SetLimit: h.hub.SetLimit,
		UserList: h.users.all, DeleteUser: h.users.remove, AuditLog: h.auditLines,
		Pairing: h.pairing, Setup: h.setup, Can: func(hub.Device) []hub.Ability { return []hub.Ability{hub.CanSwitch, hub.CanEnd} }, Restore: h.restore, NetName: func() webui.NetName {
			return webui.NetName{Host: "hub-2.local", Problem: "another machine in the house is called hub.local: this hub is hub-2.local", Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.168.1.20")}}
		},
		LogIn: func(d hub.Device) (hub.Credential, string, int, error) {
			cred, secret := hub.NewCredential(d.ID, d.ID, []hub.Grant{{Filter: d.Topic + "/#", Read: true, Write: true}}, h.now)
			return cred, secret, 1883, nil
		},
		Certificate: func() (webui.Certificate, error) { return testCertificate, nil }, HTTPSPort: func() int { return 443 },
		Audit: func(who, what string, values ...string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.audit = append(h.audit, webui.AuditLine{At: h.now, Who: who, What: what, Values: values})
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	if h.server, err = webui.New(cfg); err != nil {
		t.Fatal(err)
	}
	return h
}

// furnish puts a plug, a charger, a roof and a reading into the house, and a
// plan.
func (h *house) furnish() *house {
	h.t.Helper()
	workdays := &hub.Schedule{ReadyBy: 7 * 60, Energy: 20_000, MayPause: true, Days: hub.Workdays, SetAt: h.now}
	for _, d := range []hub.Device{
		{
			ID: "washer", Name: "Washing machine", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/smartplug1272", Power: 2100,
			Schedule: &hub.Schedule{ReadyBy: 7 * 60, Minutes: 180, Days: hub.EveryDay, SetAt: h.now},
		},
		{ID: "car", Name: "Car", Family: hub.FamilyOpenEVSE, Role: hub.RoleCharger, Topic: "openevse-5a1f", Schedule: workdays},
		{ID: "boiler", Name: "Boiler in the cellar with a rather long name", Family: hub.FamilyGPIO, Role: hub.RolePlug, Topic: "GPIO17"},
		{ID: "roof", Name: "Roof", Family: hub.FamilyEmonESP, Role: hub.RoleSolar, Topic: "emon/roof"},
	} {
		if err := h.hub.PutDevice(d); err != nil {
			h.t.Fatal(err)
		}
	}
	h.report(hub.Report{Device: "washer", Has: hub.ReportOnline | hub.ReportOn | hub.ReportPower | hub.ReportEnergy, Online: true, Power: 1, Energy: 48_211})
	h.report(hub.Report{Device: "car", Has: hub.ReportOnline | hub.ReportOn | hub.ReportPower | hub.ReportPlugged | hub.ReportAmps, Online: true, On: true, Amps: 6, Power: 1380, Plugged: true})
	h.report(hub.Report{Device: "roof", Has: hub.ReportOnline | hub.ReportPower, Online: true, Power: 2710})
	h.read(432, 0)
	h.hub.SetPlan(h.plan())
	h.health.Set("meter", hub.OK, "")
	h.health.Set("storage", hub.OK, "")
	h.health.Set("broker", hub.OK, "")
	h.health.Set("forecast", hub.Degraded, "the price server did not answer: next try in 10 min")
	return h
}

func (h *house) report(r hub.Report) {
	r.At = h.clock.Now()
	h.hub.Report(r)
}

// read lets the meter tell a reading now.
func (h *house) read(imp, exp hub.Watt) {
	now := h.clock.Now()
	r := hub.Reading{
		At: now.UTC().Truncate(time.Second), Received: now, Import: imp, Export: exp,
		Has:       hub.HasImport | hub.HasImportT1 | hub.HasImportT2 | hub.HasExportT1 | hub.HasExportT2 | hub.HasPhasePower | hub.HasCurrent | hub.HasVoltage | hub.HasTariff | hub.HasGas,
		Registers: hub.Registers{ImportT1: 4_242_123, ImportT2: 3_141_592, ExportT1: 271_828, ExportT2: 577_215},
		Tariff:    2, PhaseCount: 3, Gas: 1_234_567, GasAt: now,
	}
	for i := range r.Phases {
		r.Phases[i] = hub.Phase{Import: imp / 3, Export: exp / 3, Current: 626, Voltage: 2304}
	}
	h.hub.Observe(r)
}

// plan lets washer and car run in the cheapest quarters of a made-up night.
func (h *house) plan() *hub.Plan {
	first := hub.SlotStart(h.now)
	p := &hub.Plan{At: h.now}
	for i := range 140 {
		at := first.Add(time.Duration(i) * hub.SlotLength)
		hour := float64(at.In(amsterdam()).Hour()) + float64(at.Minute())/60
		price := 0.24 - 0.09*math.Cos((hour-18.5)/24*2*math.Pi-math.Pi) - 0.05*math.Cos((hour-13)/6*math.Pi)*math.Max(0, math.Sin((hour-7)/12*math.Pi))
		p.Slots = append(p.Slots, hub.Slot{Start: at, Import: hub.MicroEuro(price * 1e6), Export: 90_000, Known: true})
	}
	start := hub.LocalTime(2*60 + 15).On(h.now.AddDate(0, 0, 1))
	ready := hub.LocalTime(7 * 60).On(h.now.AddDate(0, 0, 1))
	p.Devices = []hub.Planned{
		{
			Device: "washer", Deadline: ready, Need: 6300, Cost: 920_000, CostNow: 1_870_000, Reason: "These are the cheapest 3 hours before 07:00.",
			Runs: []hub.Run{{Device: "washer", Start: start, End: start.Add(3 * time.Hour), Power: 2100}},
		},
		{
			Device: "car", Deadline: ready, Need: 20_000, Cost: 3_410_000, CostNow: 6_020_000, Short: 1200, Reason: "The cheapest quarters before 07:00, 16 A at most.",
			Runs: []hub.Run{{Device: "car", Start: start.Add(-90 * time.Minute), End: start, Amps: 16, Power: 3680}, {Device: "car", Start: start.Add(time.Hour), End: start.Add(4 * time.Hour), Amps: 16, Power: 3680}},
		},
	}
	return p
}

func (h *house) preview(d hub.Device, s hub.Schedule) (hub.Planned, error) {
	if s.Minutes == 666 {
		return hub.Planned{}, hub.Errorf(hub.Unavailable, "no price is known yet")
	}
	p, _ := h.plan().Of("washer")
	p.Device, p.Reason = d.ID, "Preview for "+s.ReadyBy.String()+"."
	return p, nil
}

// flatPrices are 25 ct/kWh for ever, in both directions.
func flatPrices(from time.Time, n int) []hub.Slot {
	slots := make([]hub.Slot, n)
	for i := range slots {
		slots[i] = hub.Slot{Start: hub.SlotStart(from).Add(time.Duration(i) * hub.SlotLength), Import: 250_000, Export: 250_000, Known: true}
	}
	return slots
}

// audited is the audit log in English, the oldest line first.
func (h *house) audited() (list []string) {
	for _, l := range h.auditLines() {
		list = append(list, l.Who+": "+h.server.Told(l.What, l.Values...))
	}
	return list
}

func (h *house) auditLines() []webui.AuditLine {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.audit)
}

// restore brings back the device that the house keeps for that.
func (h *house) restore(id string) error {
	if h.removed.ID != id {
		return hub.Errorf(hub.NotFound, "there is nothing to bring back")
	}
	return h.hub.PutDevice(h.removed)
}

// browser is a client with cookies that sends what a browser sends.
type browser struct {
	h      *house
	client *http.Client
	bearer string
}

func (h *house) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &browser{h: h, client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// as is a browser in which somebody logged in.
func (h *house) as(role webui.Role) *browser {
	h.t.Helper()
	b := h.browser()
	if role == "" {
		return b
	}
	if status, body := b.do("POST", "/api/login", `{"user":"`+string(role)+`","password":"`+password+`"}`); status != 200 {
		h.t.Fatalf("logging in as %s: %d %s", role, status, body)
	}
	return b
}

// do sends a request as a page of the hub would and returns the answer.
func (b *browser) do(method, path, body string, headers ...string) (int, string) {
	b.h.t.Helper()
	res := b.send(method, path, body, headers...)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (b *browser) send(method, path, body string, headers ...string) *http.Response {
	b.h.t.Helper()
	req, err := http.NewRequest(method, b.h.web.URL+path, strings.NewReader(body))
	if err != nil {
		b.h.t.Fatal(err)
	}
	if method != "GET" && b.bearer == "" {
		req.Header.Set("Origin", b.h.web.URL)
	}
	if b.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+b.bearer)
	}
	if strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[") {
		req.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		} else if headers[i+1] == "" {
			req.Header.Del(headers[i])
		} else {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return res
}

// get decodes the JSON at path into v.
func (b *browser) get(path string, v any) {
	b.h.t.Helper()
	status, body := b.do("GET", path, "")
	if status != 200 {
		b.h.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), v); err != nil {
		b.h.t.Fatalf("GET %s: %v in %s", path, err, body)
	}
}

type fakeKeeper struct {
	mu  sync.Mutex
	err error
}

func (k *fakeKeeper) PutDevice(hub.Device) error { return k.fail() }
func (k *fakeKeeper) DeleteDevice(string) error  { return k.fail() }
func (k *fakeKeeper) fail() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// fakeActuator does what it is told and says so.
type fakeActuator struct{ h *house }

func (a *fakeActuator) Actuate(_ context.Context, d hub.Device, c hub.Command) error {
	a.h.report(hub.Report{Device: d.ID, Has: hub.ReportOn, On: c.On})
	return nil
}

type fakeUsers struct {
	mu   sync.Mutex
	list map[string]webui.User
	puts int
}

func (u *fakeUsers) User(name string) (webui.User, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	found, ok := u.list[name]
	return found, ok
}

func (u *fakeUsers) all() (list []webui.User) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(u.list)) {
		list = append(list, u.list[name])
	}
	return list
}

func (u *fakeUsers) remove(name string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.list, name)
	return nil
}

func (u *fakeUsers) PutUser(user webui.User) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list[user.Name] = user
	u.puts++
	return nil
}

type fakeTokens struct {
	mu   sync.Mutex
	list []webui.Token
}

func (f *fakeTokens) all() []webui.Token {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

func (f *fakeTokens) Token(hash []byte) (webui.Token, bool) {
	for _, t := range f.all() {
		if bytes.Equal(t.Hash, hash) {
			return t, true
		}
	}
	return webui.Token{}, false
}

func (f *fakeTokens) PutToken(t webui.Token) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, t)
	return nil
}

func (f *fakeTokens) DeleteToken(hash []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(t webui.Token) bool { return bytes.Equal(t.Hash, hash) })
	return nil
}

type fakeClients struct {
	mu   sync.Mutex
	list []hub.Credential
}

func (f *fakeClients) Put(name string, grants []hub.Grant) (hub.Credential, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := strings.ToLower(strings.ReplaceAll(name, " ", "-"))
	for _, c := range f.list {
		if c.ID == id {
			return c, "", &hub.Error{Code: hub.Conflict, Field: "name", Message: "is used already"}
		}
	}
	c, secret := hub.NewCredential(id, "", grants, time.Now())
	f.list = append(f.list, c)
	return c, secret, nil
}

func (f *fakeClients) List() []hub.Credential {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

func (f *fakeClients) Delete(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(c hub.Credential) bool { return c.ID == id })
	return nil
}

type fakeLogs struct{}

func (fakeLogs) Lines() []string {
	return []string{`level=INFO msg="condition changed" part=meter condition=ok`, `level=WARN msg="condition changed" part=forecast condition=degraded <b>not bold</b>`}
}
