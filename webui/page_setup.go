package webui

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// House keeps what is decided about the house itself. Changes return when they
// are durable; a new zone holds a moment later, as the hub starts again.
type House interface {
	Settings() HouseSettings
	PutSettings(h HouseSettings) error
	// PutPrices takes in market prices as a CSV or JSON file and returns how
	// many there were.
	PutPrices(text []byte) (int, error)
}

// HouseSettings are what the first run asks.
type HouseSettings struct {
	Language string        // of the house: en, nl, fr, de, cy
	Zone     string        // IANA name
	Idle     time.Duration // without a request for so long a log-in ends; 0: an hour
	Done     bool          // the first run is over
	Price    Price         // the last that was decided
	// PriceFrom is since when it holds, zero for ever since; Past is what held
	// before, the oldest first.
	PriceFrom time.Time
	Past      []DatedPrice
}

const (
	minIdle = 5 * time.Minute
	maxIdle = 30 * 24 * time.Hour
)

// unclaimed says whether nobody has chosen the owner's password yet.
func (s *Server) unclaimed() bool {
	if s.cfg.House == nil {
		return false
	}
	_, ok := s.cfg.Users.User(string(Owner))
	return !ok
}

// firstRun says whether the first run is still to come.
func (s *Server) firstRun() bool { return s.unclaimed() && !s.cfg.House.Settings().Done }

// steps are the first run's, in order.
var steps = []string{"language", "password", "meter", "price"}

// setupPage is one step of the first run, and the same as settings later.
type setupPage struct {
	view
	heroView
	Step, Skip, Number string
	First              bool // the first run: there is a next step
	HasReading         bool
	MeterText          string
	Languages          []choice
	HouseZone          string
	Zones              []string
	IdleMinutes        int
	Kinds              []choice
	Price              priceForm
	Today              string // from which a changed price holds, unless another day is given
	Contracts          []pair // since when, and what
}

type priceForm struct {
	Day, Night, Export, Surcharge, VAT, From, To string
	Weekend, Example                             bool
}

// commonZones are offered; any IANA name may be typed.
var commonZones = []string{
	"Europe/Amsterdam", "Europe/Athens", "Europe/Berlin", "Europe/Brussels", "Europe/Bucharest", "Europe/Budapest", "Europe/Copenhagen",
	"Europe/Dublin", "Europe/Helsinki", "Europe/Lisbon", "Europe/London", "Europe/Luxembourg", "Europe/Madrid", "Europe/Oslo", "Europe/Paris",
	"Europe/Prague", "Europe/Rome", "Europe/Stockholm", "Europe/Vienna", "Europe/Vilnius", "Europe/Warsaw", "Europe/Zurich",
}

func (s *Server) pageSetup(w http.ResponseWriter, r *http.Request, v viewer) error {
	if s.cfg.House == nil {
		return hub.Errorf(hub.NotFound, "the configuration file alone says how the house is")
	}
	step := r.URL.Query().Get("step")
	if !slices.Contains(steps, step) {
		step = steps[0]
	}
	if step == "password" && !s.unclaimed() {
		http.Redirect(w, r, "/more", http.StatusSeeOther)
		return nil
	}
	return s.show(w, r, http.StatusOK, "setup.html", s.setupPage(r, v, step))
}

func (s *Server) setupPage(r *http.Request, v viewer, step string) setupPage {
	h := s.cfg.House.Settings()
	p := setupPage{view: s.view(r, v, "more", "settings"), Step: step, First: !h.Done}
	p.Title = p.T("step." + step)
	p.Path = "/setup?step=" + step
	i := slices.Index(steps, step)
	p.Number = p.T("setup.step", i+1, len(steps))
	if i+1 < len(steps) {
		p.Skip = s.nextStep(step)
	}
	snap := s.cfg.Live.Snapshot()
	now := snap.At.In(s.cfg.Zone)
	p.heroView, p.HasReading = p.hero(snap, now), snap.HasReading && !snap.Stale
	p.MeterText = p.T("setup.found")
	if !p.HasReading {
		p.MeterText = p.T("setup.looking")
		parts, _ := s.cfg.Health.Parts()
		for _, part := range parts {
			if part.Name == "meter" && part.Reason != "" {
				reason, _ := p.reason(part.Reason)
				p.MeterText += " (" + reason + ")"
			}
		}
	}
	for _, tag := range s.texts.names {
		p.Languages = append(p.Languages, choice{tag, s.texts.langs[tag].T("language.own"), tag == p.Lang})
	}
	p.HouseZone, p.Zones, p.IdleMinutes = h.Zone, commonZones, int(s.cfg.idle()/time.Minute)
	for _, k := range []PriceKind{PriceFixed, PriceDayNight, PriceDynamic} {
		p.Kinds = append(p.Kinds, choice{string(k), p.T("price." + string(k)), k == h.Price.Kind})
	}
	p.Today, p.Contracts = now.Format(time.DateOnly), s.contracts(p.locale, h)
	c := h.Price
	p.Price = priceForm{
		Day: p.plain(c.Day), Night: p.plain(c.Night), Export: p.plain(c.Export), Surcharge: p.plain(c.Surcharge), VAT: strconv.Itoa(c.VAT),
		From: c.NightFrom.String(), To: c.NightTo.String(), Weekend: c.Weekend, Example: c.Example,
	}
	return p
}

// plain is a price as it is typed.
func (l locale) plain(m hub.MicroEuro) string { return l.typed(float64(m) / 1e6) }

// nextStep is where a step leads in the first run.
func (s *Server) nextStep(step string) string {
	next := steps[slices.Index(steps, step)+1]
	if next == "password" && !s.unclaimed() {
		next = "meter"
	}
	return "/setup?step=" + next
}

// afterStep sends the browser on: to the next step of a first run, else back
// with the way to undo.
func (s *Server) afterStep(w http.ResponseWriter, r *http.Request, v viewer, step string, before HouseSettings) error {
	if !before.Done {
		http.Redirect(w, r, s.nextStep(step), http.StatusSeeOther)
		return nil
	}
	return s.goUndo(w, r, v, "/setup", "saved", func() error {
		s.audit(v, "house.undone")
		return s.putHouse(before)
	})
}

func (s *Server) putHouse(h HouseSettings) error {
	if err := s.cfg.House.PutSettings(h); err != nil {
		return err
	}
	return s.texts.setHouse(h.Language)
}

// setupTrouble shows the step again with what is wrong.
func (s *Server) setupTrouble(w http.ResponseWriter, r *http.Request, v viewer, step string, err error) error {
	p := s.setupPage(r, v, step)
	return s.show(w, r, s.trouble(r, &p.view, err), "setup.html", p)
}

func (s *Server) houseForm(r *http.Request) (HouseSettings, error) {
	if s.cfg.House == nil {
		return HouseSettings{}, hub.Errorf(hub.NotFound, "the configuration file alone says how the house is")
	}
	if err := r.ParseForm(); err != nil {
		return HouseSettings{}, formProblem(err)
	}
	return s.cfg.House.Settings(), nil
}

// formHouse takes language and zone, and how long a log-in lasts.
func (s *Server) formHouse(w http.ResponseWriter, r *http.Request, v viewer) error {
	before, err := s.houseForm(r)
	if err != nil {
		return err
	}
	h := before
	h.Language, h.Zone = r.PostForm.Get("lang"), strings.TrimSpace(r.PostForm.Get("zone"))
	if text := r.PostForm.Get("idle"); text != "" {
		minutes, _ := strconv.Atoi(text) // what is no number is too short
		h.Idle = max(1, time.Duration(minutes)*time.Minute)
	}
	if err := s.checkHouse(h); err != nil {
		return s.setupTrouble(w, r, v, "language", err)
	}
	if err := s.putHouse(h); err != nil {
		return s.setupTrouble(w, r, v, "language", err)
	}
	setLanguage(w, h.Language)
	s.audit(v, "house.set", h.Language, h.Zone)
	return s.afterStep(w, r, v, "language", before)
}

// formClaim takes the owner's first password. Whoever comes first has it, so
// there is a way back for who is at the hub itself: see docs/operations.md.
func (s *Server) formClaim(w http.ResponseWriter, r *http.Request, v viewer) error {
	if _, err := s.houseForm(r); err != nil {
		return err
	}
	password := r.PostForm.Get("password")
	if len([]rune(password)) < minPassword || len(password) > maxPassword {
		return s.setupTrouble(w, r, v, "password", hub.FieldErrorf("new", "must have 8 characters at least and 256 bytes at most"))
	}
	s.claim.Lock()
	defer s.claim.Unlock()
	if !s.unclaimed() {
		return hub.Errorf(hub.Conflict, "the hub has an owner already: log in")
	}
	u := User{Name: string(Owner), Role: Owner}
	var hashErr error
	if err := s.hashing.do(r.Context(), func() { u.PasswordHash, hashErr = HashPassword(password) }); err != nil {
		return err
	}
	if hashErr != nil {
		return hashErr
	}
	if err := s.cfg.Users.PutUser(u); err != nil {
		return s.setupTrouble(w, r, v, "password", err)
	}
	http.SetCookie(w, sessionCookie(r, s.sessions.start(u, s.wall.Now()), 0))
	s.audit(v, "owner.claimed")
	if s.cfg.House.Settings().Done {
		return goTo(w, r, "/", "saved")
	}
	http.Redirect(w, r, s.nextStep("password"), http.StatusSeeOther)
	return nil
}

// formPrice takes the contract, and prices of the market with it.
func (s *Server) formPrice(w http.ResponseWriter, r *http.Request, v viewer) error {
	if s.cfg.House == nil {
		return hub.Errorf(hub.NotFound, "the configuration file alone says how the house is")
	}
	if err := r.ParseMultipartForm(maxBody); err != nil && r.Form == nil {
		return formProblem(err)
	}
	before := s.cfg.House.Settings()
	h := before
	price, err := priceOf(r.Form.Get, before.Price)
	if err != nil {
		return s.setupTrouble(w, r, v, "price", err)
	}
	from, err := s.firstDay(r.Form.Get("price_from"))
	if err != nil {
		return s.setupTrouble(w, r, v, "price", err)
	}
	if price != before.Price || r.Form.Get("price_from") != "" && !from.Equal(startOfDay(s.now())) {
		h.setPrice(price, from)
	}
	if h.Price.Kind == PriceDynamic {
		if text, err := upload(r); err != nil {
			return s.setupTrouble(w, r, v, "price", err)
		} else if len(text) > 0 {
			n, err := s.cfg.House.PutPrices(text)
			if err != nil {
				return s.setupTrouble(w, r, v, "price", err)
			}
			s.audit(v, "prices.uploaded", strconv.Itoa(n))
		}
	}
	h.Done = true
	if err := s.putHouse(h); err != nil {
		return s.setupTrouble(w, r, v, "price", err)
	}
	s.audit(v, "price.set", string(h.Price.Kind))
	if !before.Done {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	return s.afterStep(w, r, v, "price", before)
}

// upload is the file of a form, empty if there is none.
func upload(r *http.Request) ([]byte, error) {
	f, _, err := r.FormFile("file")
	if err != nil {
		return nil, nil // a form without one is fine
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPrices))
	if err != nil {
		return nil, formProblem(err)
	}
	return text, nil
}

// formSetupDone ends the first run where it is.
func (s *Server) formSetupDone(w http.ResponseWriter, r *http.Request, v viewer) error {
	h, err := s.houseForm(r)
	if err != nil {
		return err
	}
	if !h.Done {
		h.Done = true
		if err := s.putHouse(h); err != nil {
			return err
		}
		s.audit(v, "setup.done")
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// maxPrices is the longest file of prices: a month of quarters.
const maxPrices = 256 << 10

// putPrices is PUT /api/prices: the market's prices, from a program of the
// owner's that fetched them.
func (s *Server) putPrices(w http.ResponseWriter, r *http.Request, v viewer) error {
	if s.cfg.House == nil {
		return hub.Errorf(hub.Unavailable, "prices are not kept here")
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	n, err := s.cfg.House.PutPrices(text)
	if err != nil {
		return err
	}
	s.audit(v, "prices.uploaded", strconv.Itoa(n))
	return writeJSON(w, r, http.StatusOK, struct {
		Prices int `json:"prices"`
	}{n})
}
