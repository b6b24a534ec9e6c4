package study

import (
	"errors"
	"math"
)

// Point is a rate with so many shards.
type Point struct {
	N    float64 `json:"n"`
	Rate float64 `json:"rate"`
}

// USL is the universal scalability law: Rate(n) = One*n / (1 + Sigma*(n-1) + Kappa*n*(n-1)).
type USL struct {
	One   float64 `json:"one"`   // the rate of one
	Sigma float64 `json:"sigma"` // contention: what is done one after the other
	Kappa float64 `json:"kappa"` // coherency: what all must agree on with all
	R2    float64 `json:"r2"`
}

// Rate with n.
func (u USL) Rate(n float64) float64 { return u.One * n / (1 + u.Sigma*(n-1) + u.Kappa*n*(n-1)) }

// Best is the number beyond which more is less; infinite when there is none.
func (u USL) Best() float64 {
	if u.Kappa <= 0 {
		return math.Inf(1)
	}
	return math.Sqrt(max(0, 1-u.Sigma) / u.Kappa)
}

// Scaling is what was measured over shards, and the law that fits it best.
type Scaling struct {
	Kind   string  `json:"kind"`
	Points []Point `json:"points"`
	USL    *USL    `json:"usl,omitempty"`
	Note   string  `json:"note,omitempty"`
}

var errFewPoints = errors.New("a scaling curve needs rates with three different numbers at least")

// FitUSL fits the law by least squares of relative errors: n/rate = a + b(n-1) + c*n(n-1) is linear in a, b and c,
// with One = 1/a, Sigma = b/a, Kappa = c/a. Neither Sigma nor Kappa is below 0: what would be is left out.
func FitUSL(points []Point) (USL, error) {
	different := map[float64]bool{}
	for _, p := range points {
		if !(p.N >= 1) || !(p.Rate > 0) || math.IsInf(p.N, 0) || math.IsInf(p.Rate, 0) {
			return USL{}, errors.New("a scaling curve is of numbers from 1 and rates above 0")
		}
		different[p.N] = true
	}
	if len(different) < 3 {
		return USL{}, errFewPoints
	}
	best, least := USL{}, math.Inf(1)
	for mask := range 4 { // which of Sigma and Kappa are in
		u, ok := fitWith(points, mask&1 != 0, mask&2 != 0)
		if !ok || u.One <= 0 || u.Sigma < 0 || u.Kappa < 0 {
			continue
		}
		wrong := 0.0
		for _, p := range points {
			e := p.Rate/u.Rate(p.N) - 1
			wrong += e * e
		}
		if wrong < least*(1-1e-9) {
			best, least = u, wrong
		}
	}
	if math.IsInf(least, 1) {
		return USL{}, errors.New("no scaling curve fits")
	}
	mean, off, spread := 0.0, 0.0, 0.0
	for _, p := range points {
		mean += p.Rate / float64(len(points))
	}
	for _, p := range points {
		off += (p.Rate - best.Rate(p.N)) * (p.Rate - best.Rate(p.N))
		spread += (p.Rate - mean) * (p.Rate - mean)
	}
	if spread > 0 {
		best.R2 = 1 - off/spread
	}
	return best, nil
}

// fitWith solves the weighted normal equations.
func fitWith(points []Point, sigma, kappa bool) (u USL, ok bool) {
	var m [3][4]float64
	use := [3]bool{true, sigma, kappa}
	for _, p := range points {
		x := [3]float64{1, p.N - 1, p.N * (p.N - 1)}
		y, w := p.N/p.Rate, p.Rate/p.N // the weight makes errors relative
		for i := range 3 {
			for j := range 3 {
				m[i][j] += w * w * x[i] * x[j]
			}
			m[i][3] += w * w * x[i] * y
		}
	}
	for i := range 3 {
		if !use[i] {
			m[i] = [4]float64{}
			for j := range 3 {
				m[j][i] = 0
			}
			m[i][i] = 1
		}
	}
	v, ok := solve(m)
	if !ok || v[0] <= 0 {
		return u, false
	}
	return USL{One: 1 / v[0], Sigma: v[1] / v[0], Kappa: v[2] / v[0]}, true
}

// solve is Gauss's elimination with pivots.
func solve(m [3][4]float64) (v [3]float64, ok bool) {
	for i := range 3 {
		pivot := i
		for j := i + 1; j < 3; j++ {
			if math.Abs(m[j][i]) > math.Abs(m[pivot][i]) {
				pivot = j
			}
		}
		m[i], m[pivot] = m[pivot], m[i]
		if math.Abs(m[i][i]) < 1e-300 {
			return v, false
		}
		for j := range 3 {
			if j != i {
				f := m[j][i] / m[i][i]
				for k := i; k < 4; k++ {
					m[j][k] -= f * m[i][k]
				}
			}
		}
	}
	for i := range 3 {
		v[i] = m[i][3] / m[i][i]
	}
	return v, true
}
