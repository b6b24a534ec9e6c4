package study

import (
	"sort"
)

// Resource is something that ends.
type Resource struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Used  float64 `json:"used"` // at the knee
	Limit float64 `json:"limit"`
	Times float64 `json:"times"`          // of the knee at which it ends; of the disk, of a day at the knee
	Days  float64 `json:"days,omitempty"` // of disk: trading days until it is full
	How   string  `json:"how"`            // it was measured
}

// Usage is what a server used over a load.
type Usage struct {
	Seconds     float64
	CPU         float64 // seconds of processor
	Memory      float64 // at the end
	Descriptors float64 // at most
	Disk        float64 // written to disks: log, snapshots, history, with whole pages for each sync
	Network     float64 // both directions
	Orders      float64 // and cancels that were acknowledged
}

// Machine is what there is.
type Machine struct {
	Processors, Memory, Descriptors, DiskFree, Network float64 // Network in bytes a second; 0: not known
}

// daySeconds of a trading day at the mean rate are as many requests as four hours have.
const daySeconds = 4 * 60 * 60

// Ends orders the resources by what ends first. orders is how many orders and cancels a day there are; 0: as a day at
// a third of the knee has.
func Ends(u Usage, m Machine, orders float64) (all []Resource) {
	add := func(r Resource) {
		if r.Limit > 0 && r.Used > 0 {
			if r.Times == 0 {
				r.Times = r.Limit / r.Used
			}
			all = append(all, r)
		}
	}
	add(Resource{Name: "processor", Unit: "cores", Used: u.CPU / u.Seconds, Limit: m.Processors,
		How: "user and system time of the server's process over the load; the driver has its share of the same cores"})
	add(Resource{Name: "memory", Unit: "bytes", Used: u.Memory, Limit: m.Memory, How: "resident set behind the load; it grows with accounts and orders of the day, not with the rate alone"})
	add(Resource{Name: "descriptors", Unit: "files", Used: u.Descriptors, Limit: m.Descriptors,
		How: "open files of the process during the load; one for each connection"})
	add(Resource{Name: "bandwidth", Unit: "bytes/s", Used: u.Network / u.Seconds, Limit: m.Network,
		How: "bytes of requests and answers, about 350 of headers each; quotes to streams come on top"})
	if u.Orders > 0 && u.Disk > 0 {
		if orders == 0 {
			orders = u.Orders / u.Seconds * daySeconds / 3
		}
		each := u.Disk / u.Orders
		days := m.DiskFree / (each * orders)
		add(Resource{Name: "disk", Unit: "bytes", Used: each * orders, Limit: m.DiskFree, Times: days, Days: days,
			How: "bytes written to disks by acknowledged order and cancel, over the load: whole pages, more than the log grows"})
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Times < all[j].Times })
	return all
}
