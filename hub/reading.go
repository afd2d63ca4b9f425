package hub

import "time"

// Has says which fields of a Reading the meter sent. A meter never sends all
// of them, and 0 W is a value, not an absence.
type Has uint32

// The fields of a Reading.
const (
	HasImport     Has = 1 << iota // Import and Export
	HasImportT1                   // Registers.ImportT1
	HasImportT2                   // Registers.ImportT2
	HasExportT1                   // Registers.ExportT1
	HasExportT2                   // Registers.ExportT2
	HasTariff                     // Tariff
	HasPhasePower                 // Phases[i].Import and Export for i < PhaseCount
	HasCurrent                    // Phases[i].Current
	HasVoltage                    // Phases[i].Voltage
	HasQuarter                    // Quarter
	HasMonthPeak                  // MonthPeak and MonthPeakAt
	HasGas                        // Gas and GasAt
	HasMeterClock                 // At comes from the meter's own clock
)

// Phase is one phase at the meter.
type Phase struct {
	Import  Watt // taken from the grid, never negative
	Export  Watt // given to the grid, never negative
	Current Milliampere
	Voltage Decivolt
}

// Registers are the meter's counters of energy. A meter with a single tariff
// counts in T1 alone. Which of T1 and T2 is the dear one differs by country:
// NL 1 = low, 2 = normal; BE 1 = day, 2 = night.
type Registers struct {
	ImportT1, ImportT2 WattHour
	ExportT1, ExportT2 WattHour
}

// Import is all energy ever taken from the grid.
func (r Registers) Import() WattHour { return r.ImportT1 + r.ImportT2 }

// Export is all energy ever given to the grid.
func (r Registers) Export() WattHour { return r.ExportT1 + r.ExportT2 }

// Reading is what one telegram of the smart meter says. It is a plain value
// of integers: no maps, no pointers, so that it travels without allocation.
type Reading struct {
	At       time.Time // the meter's own time where it has one, else Received; UTC
	Received time.Time // when the telegram's last byte came in, by the hub's clock
	Has      Has

	Import Watt // taken from the grid now, sum of the phases
	Export Watt // given to the grid now
	Registers
	Tariff uint8 // tariff indicator as the meter sends it

	Phases     [3]Phase
	PhaseCount uint8 // 1 or 3; 0 if the meter says nothing of phases

	Quarter     Watt      // Belgium 1-0:1.4.0: mean power of the running quarter so far
	MonthPeak   Watt      // Belgium 1-0:1.6.0: highest quarter of this month
	MonthPeakAt time.Time // when that quarter was

	Gas   int64     // gas register in dm³
	GasAt time.Time // when the gas meter was read
}

// Net is import minus export: positive when the house takes from the grid.
func (r Reading) Net() Watt { return r.Import - r.Export }
