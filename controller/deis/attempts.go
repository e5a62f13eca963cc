package deis

import (
	"container/list"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// How often passwords may be guessed: this many wrong ones in allowanceTime,
// for a name that somebody logs in by and from an address.
const (
	wrongOfName    = 10
	wrongOfAddress = 100
	allowanceTime  = 5 * time.Minute
	maxRemembered  = 20_000 // names, and addresses; beyond, the ones tried longest ago are forgotten
)

// attempts bounds how often passwords are guessed. It is in memory: each
// controller counts what it is asked.
type attempts struct {
	mu        sync.Mutex
	names     allowances
	addresses allowances
}

func newAttempts() *attempts {
	return &attempts{names: newAllowances(wrongOfName), addresses: newAllowances(wrongOfAddress)}
}

// begin must be called before a password is checked, and end after it: an
// attempt counts as a wrong one while it lasts, so that many at once are no
// more than one after another. begin fails with kind TooMany.
func (a *attempts) begin(username string, from netip.Addr) (end func(wrong bool), err error) {
	now := time.Now()
	name, address := attemptName(username), attemptAddress(from)
	a.mu.Lock()
	defer a.mu.Unlock()
	wait := a.names.take(name, now)
	if other := a.addresses.take(address, now); other > 0 || wait > 0 {
		if wait == 0 {
			a.names.giveBack(name)
		} else if other == 0 {
			a.addresses.giveBack(address)
		}
		return nil, tooMany(max(wait, other), "Too many wrong passwords.")
	}
	return func(wrong bool) {
		if !wrong {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.names.giveBack(name)
			a.addresses.giveBack(address)
		}
	}, nil
}

// attemptName is what attempts by a name are counted under: a directory knows
// no case. Names that nobody can have are not counted.
func attemptName(username string) string {
	if !validUsername(username) {
		return ""
	}
	return strings.ToLower(username)
}

// attemptAddress is what attempts from an address are counted under: who has
// one address of IPv6 has a whole /64 of them.
func attemptAddress(from netip.Addr) string {
	from = from.Unmap().WithZone("")
	if from.Is6() {
		if p, err := from.Prefix(64); err == nil {
			return p.String()
		}
	}
	return from.String()
}

// allowances are token buckets by key, those tried last at the back. A key
// without a bucket has a full one.
type allowances struct {
	burst   float64
	buckets map[string]*list.Element
	order   *list.List
}

type bucket struct {
	key  string
	left float64
	at   time.Time // when left was so much
}

func newAllowances(burst float64) allowances {
	return allowances{burst: burst, buckets: map[string]*list.Element{}, order: list.New()}
}

// take takes one from the key's bucket, which there is none of for an empty key.
// If nothing is left it says in what time something will be.
func (a allowances) take(key string, now time.Time) (wait time.Duration) {
	if key == "" {
		return 0
	}
	e := a.buckets[key]
	if e == nil {
		if len(a.buckets) >= maxRemembered {
			a.forget(a.order.Front())
		}
		e = a.order.PushBack(&bucket{key: key, left: a.burst, at: now})
		a.buckets[key] = e
	}
	a.order.MoveToBack(e)
	b, each := e.Value.(*bucket), allowanceTime.Seconds()/a.burst
	b.left = min(a.burst, b.left+now.Sub(b.at).Seconds()/each)
	b.at = now
	if b.left < 1 {
		return time.Duration((1 - b.left) * each * float64(time.Second))
	}
	b.left--
	return 0
}

// giveBack undoes a take.
func (a allowances) giveBack(key string) {
	e := a.buckets[key]
	if e == nil {
		return
	}
	b := e.Value.(*bucket)
	if b.left++; b.left >= a.burst {
		a.forget(e)
	}
}

func (a allowances) forget(e *list.Element) {
	delete(a.buckets, a.order.Remove(e).(*bucket).key)
}
