package webui

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// Notices are what the hub told the people of the house, and how it sends
// that. PutRules returns when the rules are durable.
type Notices interface {
	Tell(n hub.Notice)
	Recent() (list []hub.Notice, ever uint64) // newest first
	Rules() hub.NoticeRules
	PutRules(r hub.NoticeRules) error
	State(of hub.Channel) (at time.Time, problem string)
	Try(ctx context.Context, by hub.Channel) error
}

// seenCookie holds when somebody last marked the notices as read.
const seenCookie = "homehub-seen"

func (s *Server) tell(n hub.Notice) {
	if s.cfg.Notices != nil {
		s.cfg.Notices.Tell(n)
	}
}

// notices are those that v may read. Who comes and goes is the owner's to
// know.
func (s *Server) notices(v viewer) (list []hub.Notice) {
	if s.cfg.Notices == nil {
		return nil
	}
	list, _ = s.cfg.Notices.Recent()
	if s.may(v, owner) {
		return list
	}
	return slices.DeleteFunc(list, func(n hub.Notice) bool { return n.Kind == hub.NoticeLogin || n.Kind == hub.NoticePairing })
}

// news is how many notices came since somebody marked them as read here, as a
// text, "" if there are none. What somebody did is no news to themselves.
func (s *Server) news(r *http.Request, v viewer, l locale) string {
	n := 0
	for _, each := range s.notices(v) {
		if s.isNew(r, each) && (each.Kind != hub.NoticeLogin || each.About != v.user) {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return l.N("news", n)
}

func (s *Server) isNew(r *http.Request, n hub.Notice) bool {
	c, err := r.Cookie(seenCookie)
	if err != nil {
		return true
	}
	ms, err := strconv.ParseInt(c.Value, 10, 64)
	return err != nil || n.At.UnixMilli() > ms
}

// Word is a notice in the language of the house: one line, for messages.
func (s *Server) Word(n hub.Notice) string { return s.texts.ofHouse().notice(n) }

func (l locale) notice(n hub.Notice) string {
	about := n.About
	if n.Kind == hub.NoticeGuard {
		about = l.T("guarded." + about)
	}
	if n.Over {
		return l.T("over."+string(n.Kind), about)
	}
	return l.T("notice."+string(n.Kind), about, n.Detail)
}

// noticesPage is what the hub told, and how it tells.
type noticesPage struct {
	view
	Rows     []noticeRow
	Kinds    []choice
	Quiet    bool
	From, To string
	Channels []channelCard
	Rules    hub.NoticeRules // without secrets
	MailOn   bool
}

type noticeRow struct {
	Text, At string
	New      bool
}

type channelCard struct {
	ID          hub.Channel
	On, Open    bool
	Name, State string
	Bad         bool
	SecretThere bool
}

func (s *Server) pageNotices(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.show(w, r, http.StatusOK, "notices.html", s.noticesPage(r, v, nil, ""))
}

// noticesPage is the page; with rules, what somebody typed stands in the form
// of a channel that is open.
func (s *Server) noticesPage(r *http.Request, v viewer, typed *hub.NoticeRules, open hub.Channel) noticesPage {
	p := noticesPage{view: s.view(r, v, "more", "notices")}
	p.Path = "/notices"
	now := s.now()
	for _, n := range s.notices(v) {
		p.Rows = append(p.Rows, noticeRow{p.notice(n), p.near(n.At.In(s.cfg.Zone), now), s.isNew(r, n)})
	}
	if s.cfg.Notices == nil || !s.may(v, owner) {
		return p
	}
	kept := s.cfg.Notices.Rules()
	rules := kept
	if typed != nil {
		rules = *typed
	}
	for _, k := range hub.NoticeKinds() {
		p.Kinds = append(p.Kinds, choice{string(k), p.T("kind." + string(k)), rules.Wants(k)})
	}
	p.Quiet, p.From, p.To = rules.Quiet, rules.QuietFrom.String(), rules.QuietTo.String()
	if rules.QuietFrom == rules.QuietTo {
		p.From, p.To = "22:00", "07:00"
	}
	secrets := map[hub.Channel]string{hub.ChannelMail: kept.Mail.Password, hub.ChannelNtfy: kept.Ntfy.Token, hub.ChannelWebhook: kept.Webhook.Secret}
	for _, c := range hub.Channels() {
		card := channelCard{ID: c, Name: p.T("channel." + string(c)), On: kept.Uses(c), Open: c == open, SecretThere: secrets[c] != "", State: p.T("channel.off")}
		if at, problem := s.cfg.Notices.State(c); card.On && problem != "" {
			card.State, card.Bad = p.T("channel.bad", p.near(at.In(s.cfg.Zone), now), problem), true
		} else if card.On && at.IsZero() {
			card.State = p.T("channel.idle")
		} else if card.On {
			card.State = p.T("channel.sent", p.near(at.In(s.cfg.Zone), now))
		}
		p.Channels = append(p.Channels, card)
	}
	p.Rules = rules.WithoutSecrets()
	return p
}

// formSeen marks all notices as read in this browser.
func (s *Server) formSeen(w http.ResponseWriter, r *http.Request, _ viewer) error {
	at := strconv.FormatInt(s.cfg.Clock.Now().UnixMilli(), 10)
	http.SetCookie(w, &http.Cookie{Name: seenCookie, Value: at, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	return goTo(w, r, "/notices", "saved")
}

// putRules keeps new rules and offers to take them back.
func (s *Server) putRules(w http.ResponseWriter, r *http.Request, v viewer, rules hub.NoticeRules, open hub.Channel) error {
	before := s.cfg.Notices.Rules()
	err := rules.Validate()
	if err == nil {
		rules = rules.KeepSecrets(before)
		err = s.cfg.Notices.PutRules(rules)
	}
	if err != nil {
		p := s.noticesPage(r, v, &rules, open)
		return s.show(w, r, s.trouble(r, &p.view, err), "notices.html", p)
	}
	what := "notices.channel"
	if open == "" {
		what = "notices.rules"
	}
	s.audit(v, what, string(open))
	return s.goUndo(w, r, v, "/notices", "saved", func() error {
		s.audit(v, "notices.undone", string(open))
		return s.cfg.Notices.PutRules(before)
	})
}

func (s *Server) ownRules(r *http.Request) (hub.NoticeRules, error) {
	if s.cfg.Notices == nil {
		return hub.NoticeRules{}, errNoNotices()
	}
	if err := r.ParseForm(); err != nil {
		return hub.NoticeRules{}, formProblem(err)
	}
	return s.cfg.Notices.Rules(), nil
}

func (s *Server) formRules(w http.ResponseWriter, r *http.Request, v viewer) error {
	rules, err := s.ownRules(r)
	if err != nil {
		return err
	}
	rules.Off = nil
	for _, k := range hub.NoticeKinds() {
		if !slices.Contains(r.PostForm["kind"], string(k)) {
			rules.Off = append(rules.Off, k)
		}
	}
	rules.Quiet = r.PostForm.Get("quiet") != ""
	for field, at := range map[string]*hub.LocalTime{"quiet_from": &rules.QuietFrom, "quiet_to": &rules.QuietTo} {
		if err := at.UnmarshalText([]byte(r.PostForm.Get(field))); err != nil {
			err = hub.FieldErrorf(field, "must be a time of day like 22:00")
			p := s.noticesPage(r, v, &rules, "")
			return s.show(w, r, s.trouble(r, &p.view, err), "notices.html", p)
		}
	}
	return s.putRules(w, r, v, rules, "")
}

func (s *Server) formChannel(w http.ResponseWriter, r *http.Request, v viewer) error {
	rules, err := s.ownRules(r)
	if err != nil {
		return err
	}
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	secret := r.PostForm.Get("secret")
	channel := hub.Channel(r.PathValue("channel"))
	switch channel {
	case hub.ChannelMail:
		rules.Mail = hub.MailRoute{Server: get("server"), User: get("user"), Password: secret, From: get("from"), To: get("to")}
	case hub.ChannelNtfy:
		rules.Ntfy = hub.NtfyRoute{URL: get("url"), Token: secret}
	case hub.ChannelWebhook:
		rules.Webhook = hub.WebhookRoute{URL: get("url"), Secret: secret}
	case hub.ChannelMQTT:
		rules.MQTT = get("on") != ""
	default:
		return hub.Errorf(hub.NotFound, "there is no channel %q", channel)
	}
	return s.putRules(w, r, v, rules, channel)
}

func (s *Server) formTry(w http.ResponseWriter, r *http.Request, v viewer) error {
	err := s.tryChannel(r, hub.Channel(r.PathValue("channel")), v)
	if hub.CodeOf(err) == hub.NotFound {
		return err
	}
	if err != nil {
		p := s.noticesPage(r, v, nil, "")
		return s.show(w, r, s.trouble(r, &p.view, err), "notices.html", p)
	}
	return goTo(w, r, "/notices", "tried")
}
