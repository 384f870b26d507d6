/* SPDX-License-Identifier: MIT */
#include "experiments/hazards/line.h"

void line_quote(FILE *f, const char *text)
{
	(void)fputc('"', f);
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			(void)fprintf(f, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			(void)fprintf(f, "\\u%04x", (unsigned)*text);
		else
			(void)fputc(*text, f);
	(void)fputc('"', f);
}

static int is_said(const char *text)
{
	return text && text[0];
}

void line_print(FILE *f, const struct line *l)
{
	(void)fprintf(f, "{\"cell\":\"%s\",\"key\":\"%s/%s\",\"trials\":%llu,\"counts\":{", l->cell,
		l->hazard, l->cell, (unsigned long long)l->trials);
	for (unsigned i = 0; !is_said(l->skipped) && i < l->n_counts; i++)
		(void)fprintf(f, "%s\"%s\":%llu", i ? "," : "", l->names[i],
			(unsigned long long)l->counts[i]);
	(void)fputs("},\"invalid\":[", f);
	if (is_said(l->invalid))
		line_quote(f, l->invalid);
	(void)fprintf(f, "],\"flags\":[],\"details\":{\"hazard\":\"%s\",\"skipped\":", l->hazard);
	if (is_said(l->skipped))
		line_quote(f, l->skipped);
	else
		(void)fputs("null", f);
	(void)fprintf(f, "%s%s}}\n", is_said(l->details) ? "," : "",
		is_said(l->details) ? l->details : "");
	(void)fflush(f);
}
