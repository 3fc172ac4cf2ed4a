"""`med_type`: which scope of care a national code belongs to.

From the dictionaries that vendors ship (docs/his/dictionaries.md). A code that is not
here is refused rather than guessed: the scope decides rate and cap.
"""

from __future__ import annotations

from settlement.domain.bill import CareType

MED_TYPES: dict[str, tuple[CareType, str]] = {
    "11": (CareType.OUTPATIENT, "普通门诊"),
    "12": (CareType.OUTPATIENT, "门诊挂号"),
    "120": (CareType.EMERGENCY, "120急救"),
    "13": (CareType.EMERGENCY, "急诊"),
    "14": (CareType.OUTPATIENT_SPECIAL, "门诊慢特病"),
    "140104": (CareType.OUTPATIENT_SPECIAL, "门诊慢病"),
    "140201": (CareType.OUTPATIENT_SPECIAL, "门诊特病"),
    "140401": (CareType.OUTPATIENT_SPECIAL, "门诊罕见病"),
    "15": (CareType.OUTPATIENT_SPECIAL, "特药"),
    "16": (CareType.OUTPATIENT, "中医特色门诊"),
    "19": (CareType.OUTPATIENT, "意外伤害门诊"),
    "21": (CareType.INPATIENT, "普通住院"),
    "22": (CareType.INPATIENT, "外伤住院"),
    "23": (CareType.INPATIENT, "转外诊治住院"),
    "24": (CareType.INPATIENT, "急诊转住院"),
    "25": (CareType.INPATIENT, "异地住院"),
    "26": (CareType.INPATIENT, "单病种住院"),
    "28": (CareType.INPATIENT, "日间手术"),
    "41": (CareType.OUTPATIENT, "定点药店购药"),
    "51": (CareType.OUTPATIENT, "生育门诊"),
    "52": (CareType.INPATIENT, "生育住院"),
    "53": (CareType.OUTPATIENT, "计划生育手术"),
    "81": (CareType.OUTPATIENT, "意外伤害门诊"),
    "9901": (CareType.OUTPATIENT_SPECIAL, "重大疾病门诊"),
    "9902": (CareType.INPATIENT, "重大疾病住院"),
    "9903": (CareType.OUTPATIENT_SPECIAL, "儿童两病门诊"),
    "9904": (CareType.INPATIENT, "儿童两病住院"),
}
#: `clr_type` that goes with a scope where the hospital names none.
CLR_TYPE = {
    CareType.OUTPATIENT: "11",
    CareType.OUTPATIENT_SPECIAL: "11",
    CareType.EMERGENCY: "11",
    CareType.INPATIENT: "21",
}
