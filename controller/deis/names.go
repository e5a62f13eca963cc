package deis

import (
	"math/rand/v2"
	"strings"
)

// generateName draws an app id such as golden-mountain.
func generateName() string {
	a, n := strings.Fields(adjectives), strings.Fields(nouns)
	return a[rand.N(len(a))] + "-" + n[rand.N(len(n))]
}

const adjectives = `
	active amazed arctic astral atomic autumn benign bright bronze casual chosen cobalt cosmic cotton cuddly
	daring direct double eager earthy elated engage fabled fiscal flying frosty frozen future gentle gifted
	giving gloved golden guided hidden honest humble island jaunty jovial junior kindly lively loving lucent
	lunar magnet marble mellow mighty modern mobile native nimble nordic normal oblong onward orange placid
	polite pretty primal proper purple quaint rapid recent robust rustic savory sacred sealed serene silent
	silken silver simple smooth snappy solemn solid spring stable steady stellar strong subtle sunlit supple
	tender tidal timely tinted tipped tribal upbeat urban useful valiant velvet violet warmed wintry wooden
	worthy yellow yonder zesty`

const nouns = `
	aircraft alphabet antelope aqueduct asteroid backyard badminton ballroom baritone barnacle baseball beanbag
	bluebird blossoms boulders brickyard brooklet bungalow caboose calendar campfire cardinal carnival caravan
	cathedral cavalier chestnut chimneys clarinet cloudlet coastline compass corridor cottage covenant daffodil
	daybreak diamonds dolphins doorstep dragonfly driftwood eggplant elephant envelope espresso evergreen
	farmland feathers fireside fishbowl flagship flamingo foothill fountain gazelles geometry gondola grasslands
	hallmark hamster handbook harmony headland heirloom highland hillside honeybee horizon icebergs infinity
	keystone kingfish kinsfolk labrador landmark lanterns lavender limerick lemonade lighthouse magnolia mandolin
	marigold meadows medallion midnight milepost moonbeam mountain mulberry nebulae notebook oakwood orchards
	painting parasols passages pavilion peacocks pebbles pendulum penguins pianist pinecone plateau platypus
	porridge postcard prairie quadrant quartzite rainfall raindrop rhapsody riverbed sailboat sandcastle
	sapphire seahorse seashore skylight snowball snowfall songbird sparrows starfish starling stardust
	sunlight sunshine teaspoon telegram teacups timbers treasure treetops triangle trumpets tugboats turnpike
	umbrella vineyard voyagers walkways wanderer waterway windmill woodland workshop yearbook zeppelin`
