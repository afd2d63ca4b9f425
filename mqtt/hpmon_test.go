package mqtt

import (
	"testing"

	"homehub/hub"
)

func TestHPMonTells(t *testing.T) {
	d := hub.Device{Family: hub.FamilyHPMon, Topic: "emon/hpmon5", FlowC: 45}
	// The firmware's own in/flowT makes 997 counts of 45 °C.
	if got := told(d, hub.Command{On: true}); got != "emon/hpmon5/in/vout 1020\nemon/hpmon5/in/timer 1200 1211\nemon/hpmon5/in/ctrlmode On\nemon/hpmon5/in/state \n" {
		t.Errorf("on:\n%s", got)
	}
	if got := told(d, hub.Command{}); got != "emon/hpmon5/in/ctrlmode Off\nemon/hpmon5/in/timer 0000 0000\nemon/hpmon5/in/state \n" {
		t.Errorf("off:\n%s", got)
	}
	hearAll(t, d, []heard{
		{"emon/hpmon5/describe", "hpmon", online(true)},
		{"emon/hpmon5/out/state", `{"ip":"1.2.3.4","ctrlmode":"On","timer":"0 0 0 0","vout":"1020"}`, on(true)},
	})
	for celsius, want := range map[int]bool{19: false, 20: true, 70: true, 71: false, 0: true} {
		d := hub.Device{ID: "h", Name: "H", Family: hub.FamilyHPMon, Role: hub.RolePlug, Topic: "emon/h", FlowC: celsius}
		if _, err := d.Validate(); (err == nil) != want {
			t.Errorf("%d °C: %v", celsius, err)
		}
	}
}
