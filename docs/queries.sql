-- Questions people ask of svta.duckdb. Each one runs as it stands:
--   duckdb -readonly .svta/demo/svta.duckdb < docs/queries.sql
-- `describe clips;` lists the columns of a table; what a column means is its comment:
--   select column_name, comment from duckdb_columns() where table_name = 'clips';

-- How far is every category: pairs, clips that stand for one, clips a gate rejected?
select
    d.category,
    count(distinct d.pair_id) as pairs,
    count(distinct c.pair_id) filter (where c.current) as with_clip,
    count(c.clip_id) filter (where c.status = 'rejected') as rejected
from descriptions as d
left join clips as c using (pair_id)
group by d.category
order by d.category;

-- Why were clips rejected?
select category, regexp_extract(reject_reason, '^[^:]+') as reason, count(*) as clips
from clips
where status = 'rejected'
group by all
order by clips desc;

-- What are the final categories, and from which generation categories do their pairs come?
select
    c.kind,
    c.number,
    c.name,
    count(a.pair_id) as pairs,
    list(distinct a.category order by a.category) as generation_categories
from categories as c
left join assignments as a using (final_category)
group by all
order by c.kind, c.number;

-- How is each final category split (7:1:2)?
select
    a.final_category,
    count(*) filter (where s.split = 'train') as train,
    count(*) filter (where s.split = 'val') as val,
    count(*) filter (where s.split = 'test') as test
from splits as s
join assignments as a using (pair_id)
group by a.final_category
order by a.final_category;

-- What did each stage cost, in items, wall hours and tokens?
select stage, sum(items) as items, round(sum(seconds) / 3600, 3) as hours, sum(tokens) as tokens
from costs
group by stage
order by hours desc;

-- Which clips of a pair are there, newest take first, and which one stands for it?
select pair_id, take, current, status, seed, uri, made_at
from clips
where pair_id in (select pair_id from clips group by pair_id having count(*) > 1)
order by pair_id, take desc
limit 20;

-- Which test captions does the newest model miss worst, what does it take them for, and how were the clips made?
select
    q.rank,
    q.category,
    d.caption,
    w.caption as best_wrong_caption,
    c.uri as clip,
    v.uri as best_wrong_clip,
    d.prompt_sha,
    c.recipe
from query_ranks as q
join (select checkpoint_id from checkpoints order by made_at desc limit 1) using (checkpoint_id)
join descriptions as d on d.pair_id = q.query
left join descriptions as w on w.pair_id = q.best_wrong
left join clips as c on c.pair_id = q.query and c.current
left join clips as v on v.pair_id = q.best_wrong and v.current
where q.direction = 't2v' and q.benchmark = 'svta'
order by q.rank desc
limit 10;

-- What did the gates say last?
select gate, partition, level, reason, "at" -- quoted, because AT is a word of SQL
from gates
qualify row_number() over (partition by gate, partition order by "at" desc) = 1
order by gate, partition;
