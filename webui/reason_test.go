package webui_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"homehub/hub"
	"homehub/webui"
)

// A sentence that no part says any more would never be found again: what the
// words have of each stands in the source of a part.
func TestReasonsAreThoseOfTheParts(t *testing.T) {
	en, err := webui.Texts("en")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, part := range []string{"dsmr", "mqtt", "scheduler", "store", "mdns", "pairing", "authority", "cmd/homehub"} {
		err := filepath.WalkDir("../"+part, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			body, err := os.ReadFile(path)
			source.Write(body)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	text := strings.ReplaceAll(source.String(), `\"`, `"`)
	n := 0
	for key, sentence := range en {
		if !strings.HasPrefix(key, "reason.") {
			continue
		}
		n++
		for _, piece := range regexp.MustCompile(`\{\d\}|: `).Split(sentence, -1) {
			if piece = strings.TrimSpace(piece); !strings.Contains(text, piece) {
				t.Errorf("%s: no part says %q", key, piece)
			}
		}
	}
	if n < 45 {
		t.Errorf("%d sentences", n)
	}
}

// What the parts say, as they say it, is told in the language of the page; what
// they pass on from the system stays.
func TestReasonsInEveryLanguage(t *testing.T) {
	const lost = "nothing is being stored, readings are kept in memory only and a restart loses them: "
	for _, c := range []struct{ en, nl string }{
		{"waiting for the first telegram", "wacht op het eerste telegram"},
		{"no telegram since 12:00:05: is the cable in the meter's P1 port?", "geen telegram sinds 12:00:05: zit de kabel in de P1-poort van de meter?"},
		{"no telegram since 12:00:05: what comes is refused, checksum does not match", "geen telegram sinds 12:00:05: wat komt wordt geweigerd, de controlesom klopt niet"},
		{"the pages are not there over HTTPS: listen tcp :443: bind: address already in use", "de pagina’s zijn er niet over HTTPS: listen tcp :443: bind: address already in use"},
		{"no telegram since 12:00:05", "geen telegram sinds 12:00:05"},
		{"can not open 192.168.1.2:23: dial tcp: refused; retrying", "kan 192.168.1.2:23 niet openen: dial tcp: refused; probeert opnieuw"},
		{lost + "the disk that holds /data is full. Free some space; it goes on by itself then. (write ring: no space)", "er wordt niets opgeslagen, metingen staan alleen in het geheugen en gaan bij een herstart verloren: de schijf met /data is vol. Maak ruimte vrij; dan gaat het vanzelf verder. (write ring: no space)"},
		{"12.35 MB written to the card since midnight UTC or the start", "12,35 MB naar de kaart geschreven sinds middernacht UTC of de start"},
		{"the settings file was damaged (checksum); it is kept as decisions.db.damaged-1, and the snapshot decisions-a.json took its place: check your devices", "het instellingenbestand was beschadigd (checksum); het is bewaard als decisions.db.damaged-1, en de momentopname decisions-a.json kwam ervoor in de plaats: controleer uw apparaten"},
		{"another machine in the house is called hub.local: this hub is hub-2.local", "een ander apparaat in huis heet hub.local: deze hub is hub-2.local"},
		{`a device at 192.168.1.9 tried to log in with the name "plug": wrong secret; pair it or change its MQTT settings; so many connections are open that new ones have to wait (x)`, `een apparaat op 192.168.1.9 probeerde in te loggen met de naam "plug": verkeerd wachtwoord; koppel het of wijzig zijn MQTT-instellingen; er zijn zoveel verbindingen open dat nieuwe moeten wachten (x)`},
	} {
		if got, whole := webui.Reason("nl", c.en); got != c.nl || !whole {
			t.Errorf("%q is %q (%v), want %q", c.en, got, whole, c.nl)
		}
		if got, whole := webui.Reason("en", c.en); got != c.en || !whole {
			t.Errorf("English became %q", got)
		}
		for _, lang := range []string{"de", "fr", "cy"} {
			if got, whole := webui.Reason(lang, c.en); got == c.en || !whole || strings.Contains(got, "{") {
				t.Errorf("%s: %q", lang, got)
			}
		}
	}
	for text, want := range map[string]string{
		"": "", "open /dev/gpiochip0: no such device": "open /dev/gpiochip0: no such device",
		"the last prices came at Mon 14:00; the moon is full": "de laatste prijzen kwamen op Mon 14:00; the moon is full",
	} {
		if got, whole := webui.Reason("nl", text); got != want || whole != (text == "") {
			t.Errorf("%q is %q (%v)", text, got, whole)
		}
	}
}

// No page of a Dutch house has a part's English on it, and what stays English
// says that it is.
func TestStatusIsInThePagesLanguage(t *testing.T) {
	h := newHouse(t).furnish()
	h.health.Set("meter", hub.Down, "no telegram since 12:00:05: is the cable in the meter's P1 port?")
	h.health.Set("storage", hub.Down, "settings can not be saved: <b>disk</b>")
	h.health.Set("tls", hub.Down, "open /x: permission denied")
	b := h.as(webui.Owner)
	_, page := b.do("GET", "/status", "", "Accept-Language", "nl")
	for _, want := range []string{"opslag", "zit de kabel in de P1-poort", "instellingen kunnen niet bewaard worden: &lt;b&gt;disk", `<small lang="en">open /x: permission denied`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, path := range []string{"/status", "/", "/more", "/data", "/devices"} {
		_, page := b.do("GET", path, "", "Accept-Language", "nl")
		for _, english := range []string{"no telegram", "settings can", "From the grid", "Title of import_w", "another machine"} {
			if strings.Contains(page, english) {
				t.Errorf("%s has %q", path, english)
			}
		}
	}
}
