package main

import (
	"fmt"
	"slices"
)

// Series is what one thing measured, a value a round, in the unit's base:
// seconds, bytes, requests per second, queries, or parts of a core.
type Series struct {
	Unit   Unit      `json:"unit"`
	Median float64   `json:"median"`
	Low    float64   `json:"low"`  // lower quartile
	High   float64   `json:"high"` // upper quartile
	Values []float64 `json:"values"`
}

// NewSeries sums up values.
func NewSeries(unit Unit, values []float64) Series {
	return Series{Unit: unit, Values: values, Median: quantile(values, 0.5), Low: quantile(values, 0.25), High: quantile(values, 0.75)}
}

// Max is the largest value, zero of none.
func (s Series) Max() float64 {
	if len(s.Values) == 0 {
		return 0
	}
	return slices.Max(s.Values)
}

// String is the median with the quartiles.
func (s Series) String() string {
	if len(s.Values) == 0 {
		return "–"
	}
	if len(s.Values) == 1 {
		return s.Unit.Format(s.Median)
	}
	return fmt.Sprintf("%s (%s – %s)", s.Unit.Format(s.Median), s.Unit.Format(s.Low), s.Unit.Format(s.High))
}

// quantile interpolates between the two values next to q.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// Unit says how a value is printed.
type Unit string

// Units.
const (
	Seconds   Unit = "s"
	Bytes     Unit = "B"
	PerSecond Unit = "1/s"
	Cores     Unit = "cores"
	Queries   Unit = "queries"
)

// Format prints a value for people.
func (u Unit) Format(v float64) string {
	switch u {
	case Seconds:
		if v < 1 {
			return fmt.Sprintf("%.3g ms", v*1000)
		}
		return fmt.Sprintf("%.2f s", v)
	case Bytes:
		return fmt.Sprintf("%.0f MiB", v/(1<<20))
	case PerSecond:
		return fmt.Sprintf("%.0f/s", v)
	case Queries:
		return fmt.Sprintf("%g queries", v)
	case Cores:
		return fmt.Sprintf("%.2f %% of a core", v*100)
	}
	return fmt.Sprintf("%g", v)
}
