module gridcalc.dev/grid

go 1.21
