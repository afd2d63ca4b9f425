package main

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"slices"
	"testing"
)

// small makes a picture of a page as small as it can be: a page has few
// colours, and most of those are shades between letters and what is behind
// them. The commonest 256 stay, each other becomes the nearest of them.
func small(raw []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	count := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(from.At(x, y)).(color.RGBA) }
	for y := from.Bounds().Min.Y; y < from.Bounds().Max.Y; y++ {
		for x := from.Bounds().Min.X; x < from.Bounds().Max.X; x++ {
			count[at(x, y)]++
		}
	}
	common := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	palette := color.Palette{}
	for _, c := range common[:min(256, len(common))] {
		palette = append(palette, c)
	}
	index := map[color.RGBA]uint8{}
	for c := range count {
		index[c] = uint8(palette.Index(c))
	}
	to := image.NewPaletted(from.Bounds(), palette)
	for y := from.Bounds().Min.Y; y < from.Bounds().Max.Y; y++ {
		for x := from.Bounds().Min.X; x < from.Bounds().Max.X; x++ {
			to.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	var out bytes.Buffer
	best := png.Encoder{CompressionLevel: png.BestCompression}
	if err := best.Encode(&out, to); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// What a page is made of stays exactly as it is.
func TestSmallPictures(t *testing.T) {
	from := image.NewRGBA(image.Rect(0, 0, 300, 40))
	ink, paper := color.RGBA{23, 33, 28, 255}, color.RGBA{244, 246, 243, 255}
	for x := range 300 {
		for y := range 40 {
			from.Set(x, y, paper)
			if y < 10 {
				from.Set(x, y, ink)
			}
		}
		from.Set(x, 20, color.RGBA{uint8(x), uint8(x / 2), 7, 255})
	}
	var raw bytes.Buffer
	if err := png.Encode(&raw, from); err != nil {
		t.Fatal(err)
	}
	out, err := small(raw.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	to, err := png.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	for x := range 300 {
		if to.At(x, 5) != color.Color(ink) || to.At(x, 30) != color.Color(paper) {
			t.Fatalf("the colours at %d are %v and %v", x, to.At(x, 5), to.At(x, 30))
		}
		got := to.At(x, 20).(color.RGBA)
		if d := int(got.R) - int(uint8(x)); d < -50 || d > 50 {
			t.Fatalf("%d became %v", x, got)
		}
	}
	if p, ok := to.(*image.Paletted); !ok || len(p.Palette) != 256 {
		t.Errorf("it is a %T", to)
	}
}
