package webui

import (
	"fmt"
	"html/template"
	"strings"

	"rsc.io/qr"
)

// qrCode draws text as a QR code, dark on light in every colour scheme, as
// cameras want it. label is for those who do not see it.
func qrCode(text, label string) template.HTML {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "" // too long: the text stands beside it anyway
	}
	const quiet = 4 // modules of margin (ISO/IEC 18004)
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for x+run < code.Size && code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
			}
			x += run
		}
	}
	side := code.Size + 2*quiet
	return template.HTML(fmt.Sprintf(`<svg class="qr" viewBox="0 0 %d %d" role="img" aria-label="%s"><rect width="%d" height="%d" fill="#fff"/><path d="%s" fill="#000"/></svg>`,
		side, side, template.HTMLEscapeString(label), side, side, path.String()))
}
