package main

import "fmt"

// Bar is a line of the table before it is measured: what, and how good it must
// be.
type Bar struct {
	What    string
	Text    string                      // the bar in words
	Allowed func(limit float64) float64 // the bar beside the limit of the same round
	AtLeast bool                        // ours may not be less; else not more
}

// Line is one that was measured, or that failed.
type Line struct {
	Row     string  `json:"row"`
	What    string  `json:"what"`
	Bar     string  `json:"bar"`
	LimitIs string  `json:"limit_is,omitempty"`
	Limit   *Series `json:"limit,omitempty"`
	Ours    *Series `json:"ours,omitempty"`
	Ratio   float64 `json:"ratio,omitempty"`
	Met     bool    `json:"met"`
	Note    string  `json:"note,omitempty"`
	Err     string  `json:"error,omitempty"`
	Run     Run     `json:"run"`
}

// against compares ours with the limit, round by round: the median of the
// rounds decides, since a noisy minute slows both of its sides.
func (b Bar) against(limitIs string, limit, ours Series) Line {
	l := Line{What: b.What, Bar: b.Text, LimitIs: limitIs, Limit: &limit, Ours: &ours}
	var ratios, slack []float64
	for i := range min(len(limit.Values), len(ours.Values)) {
		ratios = append(ratios, ours.Values[i]/limit.Values[i])
		slack = append(slack, b.Allowed(limit.Values[i])-ours.Values[i])
	}
	l.Ratio = quantile(ratios, 0.5)
	l.Met = len(slack) > 0 && b.holds(quantile(slack, 0.5))
	return l
}

// alone compares ours with a bar that needs no limit.
func (b Bar) alone(ours Series) Line {
	return Line{What: b.What, Bar: b.Text, Ours: &ours, Met: len(ours.Values) > 0 && b.holds(b.Allowed(0)-ours.Median)}
}

func (b Bar) holds(slack float64) bool {
	if b.AtLeast {
		return slack <= 0
	}
	return slack >= 0
}

// failed is a line that could not be measured.
func (b Bar) failed(err error) Line {
	return Line{What: b.What, Bar: b.Text, Err: err.Error()}
}

// missed says that the line is neither met nor left to another command.
func (l Line) missed() bool { return !l.Met && (l.Ours != nil || l.Err != "") }

// String is the line as it is printed while the bench runs.
func (l Line) String() string {
	if l.Err != "" {
		return fmt.Sprintf("%s: failed: %s", l.What, l.Err)
	}
	if l.Ours == nil {
		return fmt.Sprintf("%s: %s", l.What, l.Note)
	}
	s := fmt.Sprintf("%s: %s", l.What, l.Ours)
	if l.Limit != nil {
		s += fmt.Sprintf(", %s: %s, ratio %.2f", l.LimitIs, l.Limit, l.Ratio)
	}
	if l.Note != "" {
		s += " [" + l.Note + "]"
	}
	return fmt.Sprintf("%s; bar %s: %s", s, l.Bar, l.verdict())
}

func (l Line) verdict() string {
	switch {
	case l.Err != "":
		return "failed"
	case l.Met:
		return "yes"
	case l.Ours == nil:
		return "not measured"
	}
	return "**no**"
}

// constant is a bar that no limit moves.
func constant(v float64) func(float64) float64 { return func(float64) float64 { return v } }

// factor is a bar of so many times the limit, and something.
func factor(f, plus float64) func(float64) float64 {
	return func(limit float64) float64 { return f*limit + plus }
}
