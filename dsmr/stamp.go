package dsmr

import "time"

// Stamp is a time as a meter writes it: YYMMDDhhmmss and S or W for summer or
// winter time (DSMR P1 5.0.2, 6.4). DSMR 2 and 3 have no suffix.
type Stamp struct {
	Local  int64 // the wall clock as seconds since 1970, as if it were UTC
	Suffix byte  // 'S', 'W', or 0 if there is none
}

// Times outside of these are what a meter shows whose clock was never set
// (2000, 1970 written as 70) or that means to say nothing (2063).
const (
	firstPlausible = 1262304000 // 2010-01-01
	lastPlausible  = 2840140800 // 2060-01-01
)

// parseStamp reads all of b as a stamp. Placeholders such as 632525252525W are
// no date of the calendar and so no stamp.
func parseStamp(b []byte) (Stamp, bool) {
	var s Stamp
	switch len(b) {
	case 12:
	case 13:
		s.Suffix = b[12]
		if s.Suffix != 'S' && s.Suffix != 'W' {
			return Stamp{}, false
		}
	default:
		return Stamp{}, false
	}
	var f [6]int
	for i := range f {
		tens, ones := b[2*i]-'0', b[2*i+1]-'0'
		if tens > 9 || ones > 9 {
			return Stamp{}, false
		}
		f[i] = int(tens)*10 + int(ones)
	}
	year, month, day := 2000+f[0], f[1], f[2]
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || f[3] > 23 || f[4] > 59 || f[5] > 59 {
		return Stamp{}, false
	}
	s.Local = int64(daysSince1970(year, month, day))*86400 + int64(f[3]*3600+f[4]*60+f[5])
	return s, true
}

func daysIn(year, month int) int {
	if month == 2 {
		if year%4 == 0 { // 2000 to 2099
			return 29
		}
		return 28
	}
	return 30 + (month+month>>3)&1
}

// daysSince1970 holds for 2000 to 2099, where every fourth year is a leap
// year. Years begin in March, so that the leap day comes last.
func daysSince1970(year, month, day int) int {
	if month < 3 {
		year--
		month += 12
	}
	y := year - 2000
	const march2000 = 11017 // 2000-03-01
	return march2000 + 365*y + (y+4)/4 - 1 + (153*(month-3)+2)/5 + day - 1
}

// zone turns stamps into instants. A stamp's suffix says which of the zone's
// two offsets holds: it is never looked up, so that the hour that October
// repeats is unambiguous and Swedish meters, which send W all year, are right.
type zone struct {
	base     int64          // standard offset in seconds
	location *time.Location // for stamps without a suffix
}

// amsterdam is the zone of a meter unless another one is given. It is never
// written after start.
var amsterdam = loadAmsterdam()

func loadAmsterdam() *time.Location {
	l, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		// A machine without zone data still knows Central Europe's standard
		// time, which is all that stamps with a suffix need.
		return time.FixedZone("CET", 3600)
	}
	return l
}

func newZone(l *time.Location) zone {
	_, winter := time.Date(2024, 1, 15, 12, 0, 0, 0, l).Zone()
	_, summer := time.Date(2024, 7, 15, 12, 0, 0, 0, l).Zone()
	return zone{base: int64(min(winter, summer)), location: l}
}

// instant is the UTC instant of s.
func (z *zone) instant(s Stamp) time.Time {
	switch s.Suffix {
	case 'S':
		return time.Unix(s.Local-z.base-3600, 0).UTC()
	case 'W':
		return time.Unix(s.Local-z.base, 0).UTC()
	}
	wall := time.Unix(s.Local, 0).UTC()
	y, m, d := wall.Date()
	return time.Date(y, m, d, wall.Hour(), wall.Minute(), wall.Second(), 0, z.location).UTC()
}

// plausible says whether s can be the time of a clock that was set.
func (s Stamp) plausible() bool { return s.Local >= firstPlausible && s.Local < lastPlausible }
