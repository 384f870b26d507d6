/* SPDX-License-Identifier: MIT */
/*
 * From a choice to the disk that a power cut leaves.
 *
 * By operation: some pending operations happened, the others did not. By sector: every sector takes
 * any of its versions by itself, every name and size too. Above the lowest size that a file has had
 * since its last sync a sector may also be zeros or stale: what the blocks held before, that is the
 * bytes of opts.stale, else the durable ones, else a pattern. What grew by its size alone is a hole
 * and reads as zeros: it has no block that could hold anything.
 *
 * A version of a sector is what the page cache held after one of the pending writes: those up to it
 * over the durable bytes, which matters for writes that are not whole sectors.
 */
#include "tests/sim/walk_int.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum fill { FILL_ZERO, FILL_STALE };

/* Decisions: drawn from a generator, or digits of a number. */
struct draw {
	bool digits;
	uint64_t state;
	uint64_t newest_of, newest; /* `newest` in newest_of draws take the last; 0 in 0: uniform */
	uint64_t oldest;            /* or the first */
	uint64_t total;             /* product of all radices; saturates */
	bool counting;
};

struct plan {
	const struct sim_choice *choice;
	bool reversed;
	bool no_data; /* operations give sizes only */
	enum fill fill;
	unsigned torn_op;                       /* n_ops: none */
	uint64_t torn_from, torn_to, torn_step; /* sectors of the torn write that are lost */
	bool garbage;
	uint64_t rng;
};

/* --- bytes ----------------------------------------------------------------------------------- */

static void stale_sector(const struct simwalk *w, uint32_t ino, uint64_t s, uint8_t *buf)
{
	const struct simdisk_options *o = &w->disk->opts;
	uint64_t off = s * SIM_SECTOR;

	if (o->stale && off + SIM_SECTOR <= o->stale_bytes)
		memcpy(buf, o->stale + off, SIM_SECTOR);
	else if (off + SIM_SECTOR <= w->files[ino].size)
		memcpy(buf, w->files[ino].durable + off, SIM_SECTOR);
	else
		memset(buf, 0xa5, SIM_SECTOR);
}

static void durable_sector(const struct simwalk *w, uint32_t ino, uint64_t s, uint8_t *buf)
{
	memcpy(buf, w->files[ino].durable + s * SIM_SECTOR, SIM_SECTOR);
}

/* Whether a pending write or allocation can have got a block there: else there is a hole. */
static bool may_have_block(const struct simwalk *w, uint32_t ino, uint64_t s)
{
	for (unsigned i = 0; i < w->n_ops; i++) {
		const struct walk_op *op = &w->ops[i];
		uint64_t from = op->kind == OP_WRITE ? op->off_bytes : 0;

		if ((op->kind == OP_WRITE || op->kind == OP_GROW) && op->ino == ino &&
			(s + 1) * SIM_SECTOR > from &&
			s * SIM_SECTOR < op->off_bytes + op->len_bytes)
			return true;
	}
	return false;
}

static void fill_sector(const struct simwalk *w, uint32_t ino, uint64_t s, enum fill fill,
	uint8_t *buf)
{
	if (fill == FILL_STALE && may_have_block(w, ino, s))
		stale_sector(w, ino, s, buf);
	else
		memset(buf, 0, SIM_SECTOR);
}

/* Lays what op wrote into sector s over buf. */
static void lay(const struct walk_op *op, uint64_t s, uint8_t *buf)
{
	uint64_t from = s * SIM_SECTOR, to = from + SIM_SECTOR;

	if (from < op->off_bytes)
		from = op->off_bytes;
	if (to > op->off_bytes + op->len_bytes)
		to = op->off_bytes + op->len_bytes;
	memcpy(buf + from % SIM_SECTOR, op->data + (from - op->off_bytes), to - from);
}

static void image_sector(struct simwalk *w, uint32_t ino, uint64_t s, const uint8_t *buf)
{
	struct sim_inode *in = &w->image->inodes[ino];
	uint64_t off = s * SIM_SECTOR;

	if (off < in->size)
		sim_inode_write(w->image, in, buf, off,
			in->size - off < SIM_SECTOR ? in->size - off : SIM_SECTOR);
}

static void garbage_sector(struct plan *p, uint8_t *buf)
{
	for (unsigned i = 0; i < SIM_SECTOR; i++)
		buf[i] = (uint8_t)sim_random(&p->rng);
}

/* --- making the image empty: equal to the durable bytes --------------------------------------- */

static struct simdisk *image_new(const struct simwalk *w)
{
	struct simdisk_options o = w->disk->opts;
	struct simdisk *img;

	o.fault = NULL;
	img = simdisk_new(&o);
	img->image = true;
	return img;
}

static void inode_restore(struct simwalk *w, uint32_t ino)
{
	struct sim_inode *in = &w->image->inodes[ino];
	const struct walk_file *f = &w->files[ino];

	if (in->size != f->size)
		sim_inode_set_size(w->image, in, f->size);
	for (uint32_t i = 0; i < in->n_touched; i++) {
		uint64_t off = (uint64_t)in->touched[i] * SIM_SECTOR;

		in->touched_bits[in->touched[i] / 64] = 0;
		if (off < f->size)
			memcpy(in->live + off, f->durable + off, SIM_SECTOR);
	}
	in->n_touched = 0;
}

static void inode_empty(struct simdisk *img, struct sim_inode *in)
{
	if (in->size)
		sim_inode_set_size(img, in, 0);
	for (uint32_t i = 0; i < in->n_touched; i++)
		in->touched_bits[in->touched[i] / 64] = 0;
	in->n_touched = 0;
}

static void image_restore(struct simwalk *w)
{
	const struct simdisk *d = w->disk;
	struct simdisk *img;

	if (!w->image)
		w->image = image_new(w);
	img = w->image;
	for (uint32_t i = 0; i < img->n_inodes; i++)
		if (i >= d->n_inodes)
			inode_empty(img, &img->inodes[i]);
	sim_reset(img);
	if (img->n_inodes > d->n_inodes)
		img->n_inodes = d->n_inodes;
	while (img->n_inodes < d->n_inodes)
		(void)sim_inode_new(img);
	img->n_base_inodes = d->n_inodes;
	for (uint32_t i = 0; i < d->n_inodes; i++) {
		/* An inode that the image has just got knows nothing of what came before. */
		if (img->inodes[i].size == 0)
			sim_touch(&img->inodes[i], 0, w->files[i].size);
		inode_restore(w, i);
	}
	if (img->cap_names < d->n_names) {
		img->cap_names = d->cap_names;
		img->names = sim_grow(img->names, img->cap_names, sizeof(*img->names));
	}
	img->n_names = d->n_names;
	if (d->n_names)
		memcpy(img->names, d->names, d->n_names * sizeof(*d->names));
	for (uint32_t i = 0; i < d->n_names; i++)
		img->names[i].ino = w->names[i];
}

/* --- by operation ----------------------------------------------------------------------------- */

static void plan_torn(struct simwalk *w, struct plan *p)
{
	unsigned n = 0, pick;

	for (unsigned i = 0; i < w->n_ops; i++)
		n += w->ops[i].kind == OP_WRITE && w->ops[i].len_bytes > SIM_SECTOR;
	if (n == 0)
		return;
	pick = (unsigned)(sim_random(&p->rng) % n);
	for (unsigned i = 0; i < w->n_ops; i++) {
		uint64_t sectors = w->ops[i].len_bytes / SIM_SECTOR;
		uint64_t cut = 1 + sim_random(&p->rng) % (sectors > 1 ? sectors - 1 : 1);
		uint64_t first = w->ops[i].off_bytes / SIM_SECTOR;

		if (w->ops[i].kind != OP_WRITE || w->ops[i].len_bytes <= SIM_SECTOR || pick-- != 0)
			continue;
		w->take[i] = true;
		p->torn_op = i;
		p->torn_step = 1 + sim_random(&p->rng) % 2;
		p->torn_from = sim_random(&p->rng) % 2 ? first : first + cut;
		p->torn_to = p->torn_from == first ? first + cut : first + sectors;
		return;
	}
}

static void plan_make(struct simwalk *w, struct plan *p)
{
	const struct sim_choice *c = p->choice;
	unsigned n = w->n_ops;

	if (n > w->cap_take) {
		w->cap_take = 2 * n;
		w->take = sim_grow(w->take, w->cap_take, sizeof(*w->take));
	}
	p->rng = sim_mix(c->n, c->kind);
	p->torn_op = n;
	p->reversed = c->kind == SIM_REVERSED;
	p->no_data = c->kind == SIM_HOLES || c->kind == SIM_STALE;
	p->fill = c->kind == SIM_STALE ? FILL_STALE : FILL_ZERO;
	p->garbage = c->kind == SIM_GARBAGE;
	for (unsigned i = 0; i < n; i++) {
		bool t = true;

		switch (c->kind) {
		case SIM_LOST:
			t = false;
			break;
		case SIM_PREFIX:
			t = i < c->n;
			break;
		case SIM_SUFFIX:
			t = i + c->n >= n;
			break;
		case SIM_DROP:
			t = i != c->n;
			break;
		case SIM_ONLY:
			t = i == c->n;
			break;
		case SIM_OPS:
		case SIM_GARBAGE:
			t = sim_random(&p->rng) % 2;
			break;
		case SIM_TORN:
			t = sim_random(&p->rng) % 8 != 0;
			break;
		default:
			break;
		}
		w->take[i] = t;
	}
	if (c->kind == SIM_TORN)
		plan_torn(w, p);
}

static bool torn_away(const struct plan *p, unsigned op, uint64_t s)
{
	return op == p->torn_op && s >= p->torn_from && s < p->torn_to &&
	       (s - p->torn_from) % p->torn_step == 0;
}

/* Sizes and names of the operations taken; *low: the lowest size on the way. */
static uint64_t size_by_ops(struct simwalk *w, uint32_t ino, uint64_t *low)
{
	uint64_t size = w->files[ino].size;

	*low = size;
	for (unsigned i = 0; i < w->n_ops; i++) {
		const struct walk_op *op = &w->ops[i];
		uint64_t end = op->off_bytes + op->len_bytes;

		if (!w->take[i] || op->kind == OP_NAME || op->ino != ino)
			continue;
		if (op->kind == OP_SIZE || end > size)
			size = end;
		if (size < *low)
			*low = size;
	}
	return size;
}

static void grown_by_ops(struct simwalk *w, struct plan *p, uint32_t ino, uint64_t low)
{
	struct sim_inode *in = &w->image->inodes[ino];
	uint8_t buf[SIM_SECTOR];

	for (uint64_t s = low / SIM_SECTOR; s * SIM_SECTOR < in->size; s++) {
		if (s * SIM_SECTOR < low)
			continue;
		fill_sector(w, ino, s, p->fill, buf);
		image_sector(w, ino, s, buf);
	}
}

static void sectors_by_ops(struct simwalk *w, struct plan *p)
{
	for (unsigned i = 0, next; i < w->n_versions; i = next) {
		const struct walk_version *v = &w->versions[i];
		uint64_t s = v->sector;
		bool any = false;
		uint8_t buf[SIM_SECTOR];

		for (next = i; next < w->n_versions && w->versions[next].ino == v->ino &&
			       w->versions[next].sector == s;)
			next++;
		if (s * SIM_SECTOR >= w->image->inodes[v->ino].size)
			continue;
		memcpy(buf, w->image->inodes[v->ino].live + s * SIM_SECTOR, SIM_SECTOR);
		for (unsigned k = 0; k < next - i; k++) {
			unsigned op = w->versions[p->reversed ? next - 1 - k : i + k].op;

			if (!w->take[op] || torn_away(p, op, s) || p->no_data)
				continue;
			lay(&w->ops[op], s, buf);
			any = true;
		}
		if (p->garbage && sim_random(&p->rng) % 8 == 0) {
			garbage_sector(p, buf);
			any = true;
		}
		if (any)
			image_sector(w, v->ino, s, buf);
	}
}

static void name_apply(struct simwalk *w, const struct walk_op *op)
{
	if (op->from != SIM_NONE)
		w->image->names[op->from].ino = SIM_NONE;
	w->image->names[op->name].ino = op->ino;
}

static void image_by_ops(struct simwalk *w, const struct sim_choice *c)
{
	struct plan p = {.choice = c};

	plan_make(w, &p);
	for (uint32_t i = 0; i < w->disk->n_inodes; i++) {
		uint64_t low, size;

		size = size_by_ops(w, i, &low);
		sim_inode_resize(w->image, &w->image->inodes[i], size);
		if (low < size)
			grown_by_ops(w, &p, i, low);
	}
	for (unsigned i = 0; i < w->n_ops; i++)
		if (w->ops[i].kind == OP_NAME && w->take[i])
			name_apply(w, &w->ops[i]);
	sectors_by_ops(w, &p);
}

/* --- by sector -------------------------------------------------------------------------------- */

/* One of n; 0 is the durable state, n - 1 the newest. */
static unsigned draw(struct draw *d, unsigned n)
{
	unsigned x;

	if (n <= 1)
		return 0;
	d->total = d->total > UINT64_MAX / n ? UINT64_MAX : d->total * n;
	if (d->digits) {
		x = (unsigned)(d->state % n);
		d->state /= n;
		return x;
	}
	if (d->newest_of && sim_random(&d->state) % d->newest_of < d->newest)
		return n - 1;
	if (d->newest_of && sim_random(&d->state) % d->newest_of < d->oldest)
		return 0;
	return (unsigned)(sim_random(&d->state) % n);
}

/*
 * The size after k of the operations that change it (0: the durable one), and the lowest size up to
 * there; *ret_lowest over all k. Returns how many there are.
 */
static unsigned size_version(const struct simwalk *w, uint32_t ino, unsigned k, uint64_t *ret_size,
	uint64_t *ret_low, uint64_t *ret_lowest)
{
	uint64_t size = w->files[ino].size, low = size;
	unsigned n = 0;

	*ret_size = *ret_low = size;
	for (unsigned i = 0; i < w->n_ops; i++) {
		const struct walk_op *op = &w->ops[i];
		uint64_t end = op->off_bytes + op->len_bytes;

		if (op->kind == OP_NAME || op->ino != ino || end == size ||
			(op->kind != OP_SIZE && end < size))
			continue;
		size = end;
		if (size < low)
			low = size;
		if (++n == k) {
			*ret_size = size;
			*ret_low = low;
		}
	}
	*ret_lowest = low;
	return n;
}

static void group_by_sector(struct simwalk *w, struct draw *d, unsigned i, unsigned n, uint64_t low,
	uint64_t lowest)
{
	const struct walk_version *v = &w->versions[i];
	uint64_t s = v->sector;
	bool grown = s * SIM_SECTOR >= lowest;
	unsigned x = draw(d, n + (grown ? 3 : 1));
	uint8_t buf[SIM_SECTOR];

	if (d->counting || s * SIM_SECTOR >= w->image->inodes[v->ino].size)
		return;
	durable_sector(w, v->ino, s, buf);
	if (grown && x < 3) {
		/* 0: durable, which is zeros beyond the durable size; 1: zeros; 2: stale */
		if (s * SIM_SECTOR >= low && x != 0)
			fill_sector(w, v->ino, s, x == 1 ? FILL_ZERO : FILL_STALE, buf);
		image_sector(w, v->ino, s, buf);
		return;
	}
	x -= grown ? 2 : 0;
	for (unsigned k = 0; k < x; k++)
		lay(&w->ops[w->versions[i + k].op], s, buf);
	image_sector(w, v->ino, s, buf);
}

static bool has_version(const struct simwalk *w, uint32_t ino, uint64_t s)
{
	unsigned lo = 0, hi = w->n_versions;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		const struct walk_version *v = &w->versions[mid];

		if (v->ino < ino || (v->ino == ino && v->sector < s))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->n_versions && w->versions[lo].ino == ino && w->versions[lo].sector == s;
}

/*
 * Growth that no pending write covers: all zeros or all stale when counted, else each for itself.
 */
static void grown_by_sector(struct simwalk *w, struct draw *d, uint32_t ino, uint64_t low)
{
	uint64_t size;
	enum fill fill = draw(d, 2) ? FILL_STALE : FILL_ZERO;
	uint8_t buf[SIM_SECTOR];

	if (d->counting)
		return;
	size = w->image->inodes[ino].size;
	for (uint64_t s = (low + SIM_SECTOR - 1) / SIM_SECTOR; s * SIM_SECTOR < size; s++) {
		if (has_version(w, ino, s))
			continue;
		if (!d->digits && sim_random(&d->state) % 4 == 0)
			fill = fill == FILL_ZERO ? FILL_STALE : FILL_ZERO;
		fill_sector(w, ino, s, fill, buf);
		image_sector(w, ino, s, buf);
	}
}

static void names_by_draw(struct simwalk *w, struct draw *d)
{
	for (unsigned i = 0; i < w->n_ops; i++)
		if (w->ops[i].kind == OP_NAME && draw(d, 2) && !d->counting)
			name_apply(w, &w->ops[i]);
}

static void image_by_sector(struct simwalk *w, struct draw *d)
{
	unsigned i = 0;

	d->total = 1;
	names_by_draw(w, d);
	for (uint32_t ino = 0; ino < w->disk->n_inodes; ino++) {
		uint64_t size, low, lowest;
		unsigned n_sizes;

		n_sizes = size_version(w, ino, 0, &size, &low, &lowest);
		(void)size_version(w, ino, draw(d, n_sizes + 1), &size, &low, &lowest);
		if (!d->counting)
			sim_inode_resize(w->image, &w->image->inodes[ino], size);
		if (n_sizes)
			grown_by_sector(w, d, ino, low);
		while (i < w->n_versions && w->versions[i].ino < ino)
			i++;
		while (i < w->n_versions && w->versions[i].ino == ino) {
			unsigned n = 1;

			while (i + n < w->n_versions && w->versions[i + n].ino == ino &&
				w->versions[i + n].sector == w->versions[i].sector)
				n++;
			group_by_sector(w, d, i, n, low, lowest);
			i += n;
		}
	}
}

uint64_t simwalk_combinations(struct simwalk *w)
{
	struct draw d = {.digits = true, .counting = true};

	walk_build_versions(w);
	image_by_sector(w, &d);
	return d.total;
}

/* --- the image ------------------------------------------------------------------- */

/* The sum over sectors moves only where the image differs from the durable bytes. */
static uint64_t inode_hash(const struct simwalk *w, uint32_t ino)
{
	const struct sim_inode *in = &w->image->inodes[ino];
	const struct walk_file *f = &w->files[ino];
	uint64_t sum = f->sum;

	for (uint32_t i = 0; i < in->n_touched; i++) {
		uint64_t s = in->touched[i], off = s * SIM_SECTOR;

		if (off < f->size)
			sum -= walk_sector_hash(s, f->durable + off);
		if (off < in->size)
			sum += walk_sector_hash(s, in->live + off);
	}
	return sim_mix(sum, in->size);
}

static uint64_t image_hash(const struct simwalk *w)
{
	const struct simdisk *img = w->image;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < img->n_names; i++)
		if (img->names[i].ino != SIM_NONE)
			sum += hash_bytes(img->names[i].path, strlen(img->names[i].path),
				inode_hash(w, img->names[i].ino));
	return sum;
}

static void image_keep_base(struct simdisk *img)
{
	for (uint32_t i = 0; i < img->n_inodes; i++) {
		struct sim_inode *in = &img->inodes[i];

		if (!in->base)
			in->base = sim_reserve(img->opts.file_bytes_max);
		if (in->base_size > in->size)
			memset(in->base + in->size, 0, in->base_size - in->size);
		if (in->size)
			memcpy(in->base, in->live, in->size);
		in->base_size = in->size;
	}
	img->has_base = true;
}

struct simdisk *simwalk_image(struct simwalk *w, struct sim_choice c, bool keep, uint64_t *ret_hash)
{
	struct draw d = {.state = sim_mix(c.n, c.kind)};
	struct simdisk *img;

	walk_build_versions(w);
	image_restore(w);
	img = w->image;
	switch (c.kind) {
	case SIM_COMBINATION:
		d.digits = true;
		d.state = c.n;
		image_by_sector(w, &d);
		break;
	case SIM_RANDOM:
		image_by_sector(w, &d);
		break;
	case SIM_FEW_OLD:
		d.newest_of = 8;
		d.newest = 7;
		image_by_sector(w, &d);
		break;
	case SIM_FEW_NEW:
		d.newest_of = 8;
		d.oldest = 7;
		image_by_sector(w, &d);
		break;
	default:
		image_by_ops(w, &c);
		break;
	}
	for (uint32_t i = 0; i < img->n_names; i++)
		img->names[i].base_ino = img->names[i].ino;
	for (uint32_t i = 0; i < img->n_inodes; i++)
		sim_room_synced(img, &img->inodes[i]);
	img->rng = sim_mix(sim_mix(w->disk->opts.seed, w->at), sim_mix(c.kind, c.n));
	if (ret_hash)
		*ret_hash = image_hash(w);
	if (keep)
		image_keep_base(img);
	return img;
}

/* --- choices --------------------------------------------------------------------- */

static const char *const choice_names[SIM_CHOICES] = {
	[SIM_LOST] = "lost",
	[SIM_APPLIED] = "applied",
	[SIM_PREFIX] = "prefix",
	[SIM_SUFFIX] = "suffix",
	[SIM_DROP] = "drop",
	[SIM_ONLY] = "only",
	[SIM_REVERSED] = "reversed",
	[SIM_HOLES] = "holes",
	[SIM_STALE] = "stale",
	[SIM_OPS] = "ops",
	[SIM_TORN] = "torn",
	[SIM_RANDOM] = "random",
	[SIM_FEW_OLD] = "few_old",
	[SIM_FEW_NEW] = "few_new",
	[SIM_GARBAGE] = "garbage",
	[SIM_COMBINATION] = "combination",
};

/* lost; with anything pending: applied, reversed, holes, stale; n - 1 prefixes and suffixes; n
   drops and n alone, which are the same as lost and applied when n is 1. */
unsigned simwalk_structured(const struct simwalk *w)
{
	unsigned n = w->n_ops;

	return n == 0 ? 1 : n == 1 ? 5 : 5 + 2 * (n - 1) + 2 * n;
}

struct sim_choice simwalk_structured_nth(const struct simwalk *w, unsigned i)
{
	static const enum sim_choice_kind plain[5] = {
		SIM_LOST, SIM_APPLIED, SIM_REVERSED, SIM_HOLES, SIM_STALE};
	unsigned n = w->n_ops;

	if (i < 5)
		return (struct sim_choice){plain[i], 0};
	i -= 5;
	if (i < n - 1)
		return (struct sim_choice){SIM_PREFIX, i + 1};
	i -= n - 1;
	if (i < n - 1)
		return (struct sim_choice){SIM_SUFFIX, i + 1};
	i -= n - 1;
	return i < n ? (struct sim_choice){SIM_DROP, i} : (struct sim_choice){SIM_ONLY, i - n};
}

const char *sim_choice_print(char *buf, struct sim_choice c)
{
	(void)snprintf(buf, 48, "%s:%llu", choice_names[c.kind], (unsigned long long)c.n);
	return buf;
}

bool sim_choice_parse(const char *text, struct sim_choice *ret_choice)
{
	const char *colon = strchr(text, ':');

	for (unsigned k = 0; colon && k < SIM_CHOICES; k++)
		if (strlen(choice_names[k]) == (size_t)(colon - text) &&
			memcmp(choice_names[k], text, (size_t)(colon - text)) == 0) {
			ret_choice->kind = (enum sim_choice_kind)k;
			ret_choice->n = strtoull(colon + 1, NULL, 0);
			return true;
		}
	return false;
}
