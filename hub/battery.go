package hub

// Battery is a store of energy: the house's own, or that of the car at a
// charger, of which only Capacity counts. Powers are on the AC side.
type Battery struct {
	Capacity     WattHour  `json:"capacity_wh"`
	Reserve      int       `json:"reserve_percent,omitempty"`    // content that is never taken out, % of Capacity
	MaxCharge    Watt      `json:"max_charge_w,omitempty"`       // most it takes
	MaxDischarge Watt      `json:"max_discharge_w,omitempty"`    // most it gives
	ChargeEff    int       `json:"charge_percent,omitempty"`     // efficiency of taking in, %; 95 if 0
	DischargeEff int       `json:"discharge_percent,omitempty"`  // efficiency of giving, %; 95 if 0
	Wear         MicroEuro `json:"wear_microeuro_kwh,omitempty"` // what a kWh through it wears off, µEUR per AC kWh either way
}

// defaultEfficiency is that of a common home battery with its inverter, one
// way, in %.
const defaultEfficiency = 95

// Efficiencies are those of charging and discharging as numbers in (0, 1].
func (b *Battery) Efficiencies() (charge, discharge float64) {
	percent := func(v int) float64 {
		if v == 0 {
			v = defaultEfficiency
		}
		return float64(v) / 100
	}
	return percent(b.ChargeEff), percent(b.DischargeEff)
}

// Validate checks the battery of a device of the given role. The error names
// the field.
func (b *Battery) Validate(r Role) error {
	switch {
	case b.Capacity < 100 || b.Capacity > 1_000_000:
		return FieldErrorf("capacity_wh", "must be 100 to 1000000 (1000 kWh)")
	case b.Reserve < 0 || b.Reserve > 95:
		return FieldErrorf("reserve_percent", "must be 0 to 95")
	case b.ChargeEff < 0 || b.ChargeEff > 100 || b.DischargeEff < 0 || b.DischargeEff > 100:
		return FieldErrorf("charge_percent", "efficiencies must be 1 to 100")
	case b.Wear < 0 || b.Wear > 1_000_000:
		return FieldErrorf("wear_microeuro_kwh", "must be 0 to 1000000 (1 EUR per kWh)")
	case r != RoleBattery:
		return nil
	case b.MaxCharge <= 0 || b.MaxCharge > 25_000 || b.MaxDischarge < 0 || b.MaxDischarge > 25_000:
		return FieldErrorf("max_charge_w", "powers must be at most 25000, and that of charging above 0")
	}
	return nil
}
